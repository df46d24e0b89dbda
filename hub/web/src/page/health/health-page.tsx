import type { AuditAttestation } from "@sonde/schemas/audit";
import type {
  AgentDetail,
  AuditSinkState,
  HubHealth,
  OutsideWitnessState,
  RegistryLogStatus,
  SigningKeyList,
} from "@sonde/schemas/hub";
import type { ComponentChildren } from "preact";
import { ask } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import {
  Badge,
  countOf,
  Facts,
  PageTitle,
  Said,
  Shown,
  Time,
  useRead,
  Waiting,
} from "../parts.tsx";
import { Link } from "../router.tsx";

/** Agents renew when more than half of a day is over, so this little is a fault. */
const NEAR_END_MS = 4 * 3_600_000;
const SHOWN = 20;

/** Whether the hub, its registry's log and its agents are well. */
export function HealthPage() {
  const readsNumbers = useRight("metrics.read");
  const readsLog = useRight("tools.read");
  const readsKeys = useRight("keys.read");
  const readsAudit = useRight("audit.read");
  return (
    <>
      <PageTitle title="Health">
        <Connection />
      </PageTitle>
      <AgentsSheet />
      {readsNumbers ? <HubSheet /> : null}
      {readsLog ? <RegistrySheet /> : null}
      {readsKeys ? <KeysSheet /> : null}
      {readsAudit ? <AuditSheet /> : null}
    </>
  );
}

function Connection() {
  const connection = useLive((live) => live.connection);
  return (
    <p class="lead">
      {connection === "open" ? (
        <>
          <Badge level="good">hub</Badge> It answers, and so does its database.
        </>
      ) : (
        <>
          <Badge level="bad">hub</Badge> It does not answer.
        </>
      )}
    </p>
  );
}

function Sheet(props: { id: string; title: string; children: ComponentChildren }) {
  return (
    <section class="sheet" aria-labelledby={props.id}>
      <h2 id={props.id}>{props.title}</h2>
      {props.children}
    </section>
  );
}

const CERTIFICATES = {
  authority: "its authority's",
  agents: "of the listeners for agents",
  http: "of the listener here",
  public: "of the listener for other machines",
};

function HubSheet() {
  const read = useRead(() => ask<HubHealth>("GET", "/health"), []);
  return (
    <Sheet id="hub" title="Hub">
      <Shown of={read} rows={3}>
        {(health) => <Numbers of={health} />}
      </Shown>
    </Sheet>
  );
}

function Numbers({ of }: { of: HubHealth }) {
  const { release, startedAt, hubs, database, certificates, sessions, sinks, witnesses } = of;
  return (
    <Facts
      of={[
        ["Release", release],
        ["Runs since", <Time at={startedAt} />],
        ["Hubs of its database", String(hubs)],
        ["Database", `answered in ${database.answerMs} ms`],
        ["Sessions of people", String(sessions)],
        ...certificates.map(({ of: whose, endsAt }): [string, ComponentChildren] => [
          `Certificate ${CERTIFICATES[whose]}`,
          <Ends at={endsAt} />,
        ]),
        ...sinks.map((sink): [string, ComponentChildren] => [
          `Sink ${sink.name}`,
          <SinkState of={sink} />,
        ]),
        ...witnesses.map((witness): [string, ComponentChildren] => [
          `Witness ${witness.name}`,
          <WitnessState of={witness} />,
        ]),
      ]}
    />
  );
}

function SinkState({ of }: { of: AuditSinkState }) {
  const { kind, lagEntries, failingSince, lastError } = of;
  const behind =
    lagEntries === 0 ? "has every entry" : `${countOf(lagEntries, "entry", "entries")} behind`;
  if (failingSince === null) return <>{`${kind}, ${behind}`}</>;
  return (
    <>
      <Badge level="bad">
        <Said text={lastError?.code ?? "fails"} />
      </Badge>{" "}
      {`${kind}, ${behind}, since `}
      <Time at={failingSince} />
    </>
  );
}

function WitnessState({ of }: { of: OutsideWitnessState }) {
  const { kind, lagEntries, failingSince, lastError } = of;
  const behind =
    lagEntries === 0
      ? "has the newest checkpoint"
      : `${countOf(lagEntries, "entry", "entries")} behind`;
  if (failingSince === null) return <>{`${kind}, ${behind}`}</>;
  return (
    <>
      <Badge level="bad">
        <Said text={lastError?.code ?? "fails"} />
      </Badge>{" "}
      {`${kind}, ${behind}, since `}
      <Time at={failingSince} />
    </>
  );
}

function AgentsSheet() {
  const agents = useLive((live) => live.agents);
  if (agents === null) return <Waiting rows={3} />;
  const offline = agents.filter(({ online }) => !online);
  const ending = agents.filter(({ certificateExpiresAt: end }) => {
    return end !== null && Date.parse(end) - Date.now() < NEAR_END_MS;
  });
  const refused = agents.filter(({ refusedHubAt }) => refusedHubAt !== null);
  return (
    <Sheet id="agents" title="Hosts">
      <Line title="offline" agents={offline} level="warn" good="Every host is connected." />
      <Line
        title="certificate ends soon"
        agents={ending}
        level="warn"
        good="No certificate ends within four hours."
      />
      <Line
        title="refuses this hub"
        agents={refused}
        level="bad"
        good="No host has seen a later state of this hub than it has."
      />
    </Sheet>
  );
}

function Line(props: {
  title: string;
  agents: readonly AgentDetail[];
  level: "warn" | "bad";
  good: string;
}) {
  const { title, agents, level, good } = props;
  if (agents.length === 0) {
    return (
      <p>
        <Badge level="good">good</Badge> {good}
      </p>
    );
  }
  return (
    <p>
      <Badge level={level}>{title}</Badge> {countOf(agents.length, "host")}:{" "}
      {agents.slice(0, SHOWN).map(({ id, name }) => (
        <span key={id}>
          <Link to={["hosts", name]}>
            <Said text={name} />
          </Link>{" "}
        </span>
      ))}
      {agents.length > SHOWN ? "and more" : ""}
    </p>
  );
}

function RegistrySheet() {
  const read = useRead(() => ask<RegistryLogStatus>("GET", "/registry"), []);
  return (
    <Sheet id="registry" title="Log of the registry">
      <Shown of={read} rows={2}>
        {(status) => <Registry of={status} />}
      </Shown>
    </Sheet>
  );
}

function Registry({ of }: { of: RegistryLogStatus }) {
  const { registry, head, at, problem, forks, elsewhere } = of;
  return (
    <>
      {forks.map(({ agent }) => (
        <p key={agent}>
          <Badge level="bad">another log</Badge> <Said text={agent} /> was shown another log than
          the hub.
        </p>
      ))}
      {problem === null ? (
        <p>
          <Badge level="good">followed</Badge> It only grew, and all hosts saw the same.
        </p>
      ) : (
        <p>
          <Badge level="bad">
            <Said text={problem.code} />
          </Badge>{" "}
          <Said text={problem.message} />
        </p>
      )}
      {elsewhere.length === 0 ? null : (
        <p class="note">{`${countOf(elsewhere.length, "host")} with a registry of their own`}</p>
      )}
      <Facts
        of={[
          ["Registry", <Said text={registry} />],
          ["Entries", head === null ? "not read yet" : head.size.toLocaleString("en-US")],
          ["Head signed", at === null ? "not read yet" : <Time at={at} />],
        ]}
      />
    </>
  );
}

const USES = {
  ca: "the hub's authority",
  tls: "listeners for agents",
  command: "orders to agents",
  audit: "heads of the audit log",
  witness: "heads of other logs",
};

function KeysSheet() {
  const read = useRead(() => ask<SigningKeyList>("GET", "/signing-keys"), []);
  return (
    <Sheet id="signing-keys" title="Keys of the hub">
      <Shown of={read} rows={3}>
        {({ keys }) => (
          <ul class="reads">
            {keys.map(({ use, algorithm, keyId, until }) => (
              <li key={keyId}>
                {USES[use]}{" "}
                <span class="note">
                  {algorithm}, {until === null ? "signs now" : <Ends at={until} />}
                </span>{" "}
                <Said code text={keyId} />
              </li>
            ))}
          </ul>
        )}
      </Shown>
    </Sheet>
  );
}

function Ends({ at }: { at: string }) {
  return (
    <>
      ends <Time at={at} />
    </>
  );
}

function AuditSheet() {
  const last = useLive(({ newestEntry }) => newestEntry);
  const read = useRead(() => ask<AuditAttestation>("GET", "/audit/attestation"), []);
  return (
    <Sheet id="audit" title="Audit log">
      <Shown of={read} rows={3}>
        {(attested) => <Attested of={attested} entries={Math.max(last, attested.head.size)} />}
      </Shown>
    </Sheet>
  );
}

function Attested({ of, entries }: { of: AuditAttestation; entries: number }) {
  const { checkpoint, head, problem, witnesses } = of;
  const kept = witnesses.filter(({ size }) => size === checkpoint?.size).length;
  return (
    <>
      {problem === null ? null : (
        <p>
          <Badge level="bad">
            <Said text={problem.code} />
          </Badge>{" "}
          <Said text={problem.message} />
        </p>
      )}
      <Facts
        of={[
          ["Entries", entries.toLocaleString("en-US")],
          ["Head", <Said code text={head.hash} />],
          [
            "Signed",
            checkpoint === null ? (
              "not yet"
            ) : (
              <>
                {`${checkpoint.size.toLocaleString("en-US")}, `}
                <Time at={checkpoint.at} />
              </>
            ),
          ],
          ["Kept by", `${countOf(kept, "host")} of ${witnesses.length}`],
        ]}
      />
    </>
  );
}
