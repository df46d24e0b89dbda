import type { AgentDetail, HubPackDetail } from "@sonde/schemas/hub";
import { useState } from "preact/hooks";
import { WAITING } from "../agent-state.tsx";
import { ask, part } from "../api.ts";
import { putAgent, useRight } from "../live.ts";
import { Link } from "../router.tsx";
import {
  Badge,
  Failure,
  type Level,
  Lines,
  OutsideLink,
  Said,
  Time,
  useAct,
  useRead,
  Waiting,
} from "../parts.tsx";

type Pack = AgentDetail["packs"][number];

const LEVELS = new Map<string, Level>([
  ["active", "good"],
  ["pending", "warn"],
  ["held", "warn"],
  ["quarantined", "bad"],
  ["revoked", "bad"],
]);

/** The packs of a host: their state, who allowed them, and every read that was allowed. */
export function PackSheet({ agent }: { agent: AgentDetail }) {
  const ordered = agent.desired.filter(
    ({ name, digest }) => !agent.packs.some((pack) => pack.name === name && pack.digest === digest),
  );
  return (
    <section class="sheet" aria-labelledby="packs">
      <h2 id="packs">Packs</h2>
      {agent.packs.length + ordered.length === 0 ? (
        <p class="note">None. Without a pack the host answers no question.</p>
      ) : null}
      <ul class="plain-list">
        {agent.packs.map((pack) => (
          <PackItem key={`${pack.name} ${pack.digest ?? pack.version}`} agent={agent} pack={pack} />
        ))}
        {ordered.map(({ name, version }) => (
          <li key={`ordered ${name}`}>
            <h3>
              <Said text={name} /> <span class="note">{version}</span>
            </h3>
            <p class="note">Ordered. The host takes it as soon as it is connected.</p>
          </li>
        ))}
      </ul>
    </section>
  );
}

function PackItem({ agent, pack }: { agent: AgentDetail; pack: Pack }) {
  const mayRead = useRight("tools.read");
  const { name, version, state, approved, reason, digest } = pack;
  return (
    <li>
      <h3>
        <Said text={name} /> <span class="note">{version}</span>{" "}
        <Badge level={LEVELS.get(state) ?? "none"}>
          <Said text={state} />
        </Badge>
      </h3>
      {approved === null ? null : (
        <p class="note">
          Approved on the host by <Said text={approved.by} />, <Time at={approved.at} />
        </p>
      )}
      {reason === null ? null : (
        <p>
          <Said code text={reason.code} /> <Said text={reason.message} />
        </p>
      )}
      {WAITING.has(state) ? (
        <>
          <p>
            A person allows it: in the <Link to={["inbox"]}>inbox</Link> as far as the host lets
            this hub, else on the host. The command shows every read before it asks:
          </p>
          <Lines label={`Approve ${name} on the host`} text={`sudo sonde-agent approve ${name}`} />
        </>
      ) : null}
      {mayRead && digest !== null ? (
        <PackReads digest={digest} agent={state === "active" ? agent.name : null} />
      ) : null}
      <p class="links">
        {state === "active" ? (
          <Link to={["try"]} query={{ q: shortName(name), agent: agent.name }}>
            Try it<span class="unseen"> with {name}</span>
          </Link>
        ) : null}{" "}
        {mayRead ? (
          <Link to={["packs", ...name.split("/")]}>
            In the registry<span class="unseen">, {name}</span>
          </Link>
        ) : null}
      </p>
      <RemovePack agent={agent} name={name} />
    </li>
  );
}

/** As the names of its questions have it: those of official packs are without their publisher. */
function shortName(pack: string): string {
  return pack.replace(/^sonde\//, "");
}

/** @param props.agent where its questions can be tried; null where it is not in service */
function PackReads({ digest, agent }: { digest: string; agent: string | null }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>What it may read</summary>
      {isOpen ? <Reads digest={digest} agent={agent} /> : null}
    </details>
  );
}

function Reads({ digest, agent }: { digest: string; agent: string | null }) {
  const { value, refusal, again } = useRead(
    () => ask<HubPackDetail>("GET", `/packs/${part(digest)}`),
    [digest],
  );
  if (refusal !== null) return <Failure refusal={refusal} again={again} />;
  if (value === null) return <Waiting rows={3} />;
  const { description, signedBy, permissions, repository, probes } = value;
  return (
    <>
      <p>
        <Said text={description} />
      </p>
      <p class="note">
        <Said text={signedBy} /> <OutsideLink address={repository} />
      </p>
      {permissions.groups.length === 0 ? null : (
        <p>
          <Badge level="warn">groups</Badge> Its reader joins{" "}
          <Said text={permissions.groups.join(", ")} />
        </p>
      )}
      <ul class="reads" aria-label="Reads">
        {permissions.reads.map(({ words, exact, capability }) => (
          <li key={exact}>
            <Said text={words} />
            {capability === "observe" ? null : <Badge level="bad">{capability}</Badge>}
            <code class="exact">
              <Said text={exact} />
            </code>
          </li>
        ))}
      </ul>
      {agent === null ? null : (
        <p class="links">
          Questions:{" "}
          {probes.map(({ id }) => (
            <Link key={id} to={["try", id]} query={{ agent }}>
              <Said text={id} />
            </Link>
          ))}
        </p>
      )}
    </>
  );
}

function RemovePack({ agent, name }: { agent: AgentDetail; name: string }) {
  const mayManage = useRight("agents.manage");
  const { run, isRunning, refusal } = useAct();
  const [isAsking, setAsking] = useState(false);
  if (!mayManage || !agent.desired.some((pack) => pack.name === name)) return null;
  const remove = async () => {
    const path = name.split("/").map(part).join("/");
    putAgent(await ask<AgentDetail>("DELETE", `/agents/${part(agent.name)}/packs/${path}`));
  };
  return (
    <>
      {refusal === null ? null : <Failure refusal={refusal} />}
      <p class="acts">
        {isAsking ? (
          <>
            <button type="button" class="danger" disabled={isRunning} onClick={() => run(remove)}>
              Remove it from this host
            </button>
            <button type="button" class="plain" onClick={() => setAsking(false)}>
              Keep it
            </button>
          </>
        ) : (
          <button
            type="button"
            class="plain"
            aria-label={`Remove ${name}`}
            onClick={() => setAsking(true)}
          >
            Remove
          </button>
        )}
      </p>
    </>
  );
}
