import type { AgentDetail } from "@sonde/schemas/hub";
import { useState } from "preact/hooks";
import { DriftBadge, StateBadge, Tags } from "../agent-state.tsx";
import { CallTable } from "../activity/activity-table.tsx";
import { useCalls } from "../activity/use-lines.ts";
import { ask, part } from "../api.ts";
import { putAgent, useLive, useRight } from "../live.ts";
import { Badge, Empty, Facts, Failure, PageTitle, Said, Time, useAct, Waiting } from "../parts.tsx";
import { Link } from "../router.tsx";
import { AttestationSheet } from "./attestation-sheet.tsx";
import { InstallWindow, QuarantineWindow, RevokeWindow, TagsWindow } from "./host-windows.tsx";
import { PackSheet } from "./pack-sheet.tsx";

/** One host: what it is, what it lets be asked, and what was asked. */
export function HostPage({ name }: { name: string }) {
  const agent = useLive((live) => live.agents?.find((one) => one.name === name));
  const isRead = useLive((live) => live.agents !== null);
  const failure = useLive((live) => live.failure);
  if (agent !== undefined) return <Host agent={agent} />;
  return (
    <>
      <PageTitle title={name} />
      {isRead ? (
        <Empty title="No host has this name, or you may not see it.">
          <p>
            <Link to={[]}>Go to the fleet</Link>
          </p>
        </Empty>
      ) : failure === null ? (
        <Waiting rows={8} />
      ) : (
        <Failure refusal={failure} />
      )}
    </>
  );
}

type Opened = "quarantine" | "revoke" | "tags" | "install" | null;

function Host({ agent }: { agent: AgentDetail }) {
  const mayManage = useRight("agents.manage");
  const [opened, setOpened] = useState<Opened>(null);
  const close = () => setOpened(null);
  return (
    <>
      <PageTitle title={agent.name}>
        <p class="lead">
          <StateBadge agent={agent} /> <DriftBadge attestation={agent.attestation} />
          <Tags tags={agent.tags} />
        </p>
        {mayManage ? (
          <p class="acts">
            <button type="button" class="plain" onClick={() => setOpened("tags")}>
              Tags
            </button>
            <button type="button" class="plain" onClick={() => setOpened("install")}>
              Install a pack
            </button>
            {agent.holds.some(({ kind }) => kind === "quarantined") ? null : (
              <button type="button" class="danger" onClick={() => setOpened("quarantine")}>
                Quarantine
              </button>
            )}
            <button type="button" class="danger" onClick={() => setOpened("revoke")}>
              Revoke
            </button>
          </p>
        ) : null}
      </PageTitle>
      {opened === "quarantine" ? <QuarantineWindow agent={agent} close={close} /> : null}
      {opened === "revoke" ? <RevokeWindow agent={agent} close={close} /> : null}
      {opened === "tags" ? <TagsWindow agent={agent} close={close} /> : null}
      {opened === "install" ? <InstallWindow agent={agent} close={close} /> : null}
      <Holds agent={agent} mayRelease={mayManage} />
      <HostFacts agent={agent} />
      <div class="columns">
        <div>
          <PackSheet agent={agent} />
          <RecentCalls name={agent.name} />
        </div>
        <AttestationSheet agent={agent} />
      </div>
    </>
  );
}

function Holds({ agent, mayRelease }: { agent: AgentDetail; mayRelease: boolean }) {
  const { run, isRunning, refusal } = useAct();
  if (agent.holds.length === 0) return null;
  const release = async () =>
    putAgent(await ask<AgentDetail>("POST", `/agents/${part(agent.name)}/release`));
  return (
    <section class="hold" aria-label="Why it answers nothing">
      {agent.holds.map(({ kind, reason, since, by }) => (
        <p key={kind}>
          <Badge level="bad">{kind}</Badge> <Said text={reason} />{" "}
          <span class="note">
            since <Time at={since} />, by <Said text={by} />
          </span>
        </p>
      ))}
      <p class="note">While it is held, no question reaches it.</p>
      {refusal === null ? null : <Failure refusal={refusal} />}
      {mayRelease ? (
        <button type="button" disabled={isRunning} onClick={() => run(release)}>
          Release
        </button>
      ) : null}
    </section>
  );
}

function HostFacts({ agent }: { agent: AgentDetail }) {
  const { os, agentVersion, wall, lastSeenAt, online, certificateExpiresAt, clockSkewMs } = agent;
  return (
    <Facts
      of={[
        ["System", os === null ? "not known yet" : <Said text={os} />],
        ["Agent", agentVersion ?? "not known yet"],
        ["Last seen", online ? "now" : lastSeenAt === null ? "never" : <Time at={lastSeenAt} />],
        ["Readers run as", wall === null ? "not known yet" : <Said text={wall} />],
        [
          "Certificate ends",
          certificateExpiresAt === null ? "it has none" : <Time at={certificateExpiresAt} />,
        ],
        [
          "Clock differs by",
          clockSkewMs === null ? "not known yet" : `${Math.round(clockSkewMs)} ms`,
        ],
        ["Enrolled", <Time at={agent.enrolledAt} />],
      ]}
    />
  );
}

const SHOWN_CALLS = 10;

function RecentCalls({ name }: { name: string }) {
  const mayRead = useRight("audit.read");
  if (!mayRead) return null;
  return <Calls name={name} />;
}

function Calls({ name }: { name: string }) {
  const { calls, isRead, refusal } = useCalls({ agent: name });
  return (
    <section class="sheet" aria-labelledby="calls">
      <h2 id="calls">Recent calls</h2>
      {refusal === null ? null : <Failure refusal={refusal} />}
      {!isRead ? (
        refusal === null ? (
          <Waiting rows={3} />
        ) : null
      ) : calls.length === 0 ? (
        <p class="note">Nobody asked this host lately.</p>
      ) : (
        <>
          <CallTable calls={calls.slice(0, SHOWN_CALLS)} withHost={false} />
          <p>
            <Link to={["activity"]} query={{ agent: name }}>
              All activity of this host
            </Link>
          </p>
        </>
      )}
    </section>
  );
}
