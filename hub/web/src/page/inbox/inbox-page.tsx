import type { AgentDetail, HubPackDetail, ToolPinList } from "@sonde/schemas/hub";
import type { ComponentChildren } from "preact";
import { DriftBadge, StateBadge } from "../agent-state.tsx";
import { ask, part } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import {
  countOf,
  Empty,
  Failure,
  Lines,
  PageTitle,
  Said,
  useAct,
  useRead,
  Waiting,
} from "../parts.tsx";
import { Link } from "../router.tsx";
import { groupHeld, listWaits } from "./waiting.ts";

/** What waits for a person. */
export function InboxPage() {
  const agents = useLive((live) => live.agents);
  const version = useLive(({ versions }) => versions.tools);
  const mayReadTools = useRight("tools.read");
  const pins = useRead<ToolPinList | null>(
    async () => (mayReadTools ? await ask<ToolPinList>("GET", "/tool-pins") : null),
    [version, mayReadTools],
  );
  if (agents === null) {
    return (
      <>
        <PageTitle title="Inbox" />
        <Waiting rows={6} />
      </>
    );
  }
  const { drift, first, held, packs } = listWaits(agents);
  const words = groupHeld(pins.value?.held ?? []);
  const count = drift.length + first.length + held.length + packs.length + words.length;
  return (
    <>
      <PageTitle title="Inbox">
        <p class="lead">{count === 0 ? "Nothing waits" : `${countOf(count, "thing")} to decide`}</p>
      </PageTitle>
      {pins.refusal === null ? null : <Failure refusal={pins.refusal} again={pins.again} />}
      {count === 0 ? (
        <Empty title="Nothing waits for you.">
          <p>What asks for a decision appears here by itself.</p>
        </Empty>
      ) : null}
      <Sheet title="Changed words of tools" count={words.length}>
        <p class="note">An AI does not see these questions until you approve what they say now.</p>
        <ul class="plain-list">
          {words.map(([digest, probes]) => (
            <Words
              key={digest}
              digest={digest}
              probes={probes}
              pins={pins.value?.pins ?? []}
              again={pins.again}
            />
          ))}
        </ul>
      </Sheet>
      <Sheet title="Held hosts" count={held.length}>
        <Hosts agents={held} />
      </Sheet>
      <Sheet title="Hosts that differ from what was approved" count={drift.length}>
        <Hosts agents={drift} />
      </Sheet>
      <Sheet title="First statements" count={first.length}>
        <p class="note">Look at what each host says about itself, and approve it.</p>
        <Hosts agents={first} />
      </Sheet>
      <Sheet title="Packs that ask for reads" count={packs.length}>
        <p class="note">
          Only a person on the host can allow them. The command shows every read first.
        </p>
        <ul class="plain-list">
          {packs.map((pack) => (
            <li key={`${pack.name} ${pack.digest ?? pack.version}`}>
              <h3>
                <Said text={pack.name} /> <span class="note">{pack.version}</span>
              </h3>
              <Hosts agents={pack.agents} />
              <Lines
                label={`Approve ${pack.name} on the host`}
                text={`sudo sonde-agent approve ${pack.name}`}
              />
            </li>
          ))}
        </ul>
      </Sheet>
    </>
  );
}

function Sheet(props: { title: string; count: number; children: ComponentChildren }) {
  const id = props.title.toLowerCase().replaceAll(" ", "-");
  if (props.count === 0) return null;
  return (
    <section class="sheet" aria-labelledby={id}>
      <h2 id={id}>{props.title}</h2>
      {props.children}
    </section>
  );
}

const SHOWN = 50;

function Hosts({ agents }: { agents: readonly AgentDetail[] }) {
  return (
    <>
      <ul class="tags hosts-list" aria-label="Hosts">
        {agents.slice(0, SHOWN).map((agent) => (
          <li key={agent.id}>
            <Link to={["hosts", agent.name]}>
              <Said text={agent.name} />
            </Link>{" "}
            <StateBadge agent={agent} /> <DriftBadge attestation={agent.attestation} />
          </li>
        ))}
      </ul>
      {agents.length > SHOWN ? (
        <p class="note">
          <Link to={[]} query={{ show: "attention" }}>
            {`All ${countOf(agents.length, "host")}`}
          </Link>
        </p>
      ) : null}
    </>
  );
}

type WordsOf = {
  digest: string;
  probes: readonly string[];
  pins: ToolPinList["pins"];
  again: () => void;
};

/** The words of one archive, beside those that were approved. */
function Words({ digest, probes, pins, again }: WordsOf) {
  const mayApprove = useRight("tools.approve");
  const { run, isRunning, refusal } = useAct();
  const read = useRead(async () => {
    const before = new Set(
      pins.filter(({ probe }) => probes.includes(probe)).map(({ packDigest }) => packDigest),
    );
    const readPack = (one: string) => ask<HubPackDetail>("GET", `/packs/${part(one)}`);
    const [now, ...earlier] = await Promise.all([digest, ...before].map(readPack));
    return { now, earlier };
  }, [digest, pins]);
  if (read.refusal !== null) return <Failure refusal={read.refusal} again={read.again} />;
  if (read.value?.now === undefined) return <Waiting rows={3} />;
  const { now, earlier } = read.value;
  const approve = async () => {
    await ask("POST", "/tool-pins", { packDigest: digest });
    again();
  };
  const wordsOf = (packs: readonly HubPackDetail[], probe: string) =>
    packs.flatMap((pack) => pack.probes).find(({ id }) => id === probe)?.description ?? null;
  return (
    <li>
      <h3>
        <Said text={now.name} /> <span class="note">{now.version}</span>
      </h3>
      <table>
        <caption class="unseen">Words that were approved, and the words now</caption>
        <thead>
          <tr>
            <th scope="col">Question</th>
            <th scope="col">Approved, and now</th>
          </tr>
        </thead>
        <tbody>
          {probes.map((probe) => (
            <tr key={probe}>
              <th scope="row">
                <Said text={probe} />
              </th>
              <td>
                <p class="was">
                  <Said text={wordsOf(earlier, probe) ?? "not approved before"} />
                </p>
                <p>
                  <Said text={wordsOf([now], probe) ?? ""} />
                </p>
                {wordsOf(earlier, probe) === wordsOf([now], probe) ? (
                  <p class="note">The sentence is the same; its parameters or its level changed.</p>
                ) : null}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {refusal === null ? null : <Failure refusal={refusal} />}
      {mayApprove ? (
        <p class="acts">
          <button type="button" disabled={isRunning} onClick={() => run(approve)}>
            Approve these words
          </button>
        </p>
      ) : null}
    </li>
  );
}
