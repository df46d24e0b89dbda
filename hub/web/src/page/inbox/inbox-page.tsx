import type { AgentDetail } from "@sonde/schemas/hub";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { StateBadge } from "../agent-state.tsx";
import { ask, part } from "../api.ts";
import { Differences, Statement } from "../host/attestation-sheet.tsx";
import { useRight } from "../live.ts";
import {
  Badge,
  countOf,
  Empty,
  Failure,
  Lines,
  PageTitle,
  Said,
  Time,
  useAct,
  Waiting,
} from "../parts.tsx";
import { Link } from "../router.tsx";
import { FreshItem, RefusedItem, useWaitingClients } from "./client-items.tsx";
import { RequestItem } from "./request-item.tsx";
import {
  type DriftEntry,
  type HeldWords,
  type HoldEntry,
  listUnknownPacks,
  sortEntries,
  type ToolEntry,
  type UnknownPack,
  useInbox,
} from "./waiting.ts";

/** What waits for a person. */
export function InboxPage() {
  const { inbox, agents, refusal, again } = useInbox();
  const { clients, ...reading } = useWaitingClients();
  const [said, setSaid] = useState("");
  const tell = (text: string) => {
    setSaid(text);
    again();
  };
  if (inbox === null || agents === null) {
    return (
      <>
        <PageTitle title="Inbox" />
        {refusal === null ? <Waiting rows={6} /> : <Failure refusal={refusal} again={again} />}
      </>
    );
  }
  const { words, upgrades, packs, held, drift, first } = sortEntries(inbox.entries);
  const unknown = listUnknownPacks(agents, inbox.entries);
  const { refused, fresh } = clients;
  const lists = [words, upgrades, packs, unknown, held, drift, first, refused, fresh];
  const count = lists.reduce((sum, list) => sum + list.length, inbox.more);
  return (
    <>
      <PageTitle title="Inbox">
        <p class="lead">{count === 0 ? "Nothing waits" : `${countOf(count, "thing")} to decide`}</p>
      </PageTitle>
      <p role="status">
        <Said text={said} />
      </p>
      {refusal === null ? null : <Failure refusal={refusal} again={again} />}
      {reading.refusal === null ? null : (
        <Failure refusal={reading.refusal} again={reading.again} />
      )}
      {count === 0 ? (
        <Empty title="Nothing waits for you.">
          <p>What asks for a decision appears here by itself.</p>
        </Empty>
      ) : null}
      <Sheet
        title="Changed words of tools"
        count={words.length}
        note="An AI does not see these questions until you approve what they say now."
      >
        {words.map((one) => (
          <Words key={one.digest} of={one} again={again} />
        ))}
      </Sheet>
      <Sheet
        title="Upgrades that ask for more"
        count={upgrades.length}
        note="The version before serves until a person decides."
      >
        {upgrades.map((one) => (
          <RequestItem key={one.key} of={one} said={tell} />
        ))}
      </Sheet>
      <Sheet title="Packs that ask for reads" count={packs.length + unknown.length}>
        {packs.map((one) => (
          <RequestItem key={one.key} of={one} said={tell} />
        ))}
        {unknown.map((one) => (
          <UnknownItem key={`${one.name} ${one.version}`} of={one} />
        ))}
      </Sheet>
      <Sheet title="Held hosts" count={held.length}>
        {held.map((entry) => (
          <Held key={entry.id} entry={entry} again={again} />
        ))}
      </Sheet>
      <Sheet title="Hosts that differ from what was approved" count={drift.length}>
        {drift.map((entry) => (
          <Drift key={entry.id} entry={entry} again={again} />
        ))}
      </Sheet>
      <Sheet
        title="First statements"
        count={first.length}
        note="Look at what each host says about itself, and approve it."
      >
        {first.map(({ id, agent: name }) => {
          const agent = agents.find((one) => one.name === name);
          return (
            <li key={id}>
              <HostTitle name={name} />
              {agent === undefined ? null : <Statement agent={agent} />}
            </li>
          );
        })}
      </Sheet>
      <Sheet title="OAuth clients that were refused" count={refused.length}>
        {refused.map((one) => (
          <RefusedItem key={one.id} of={one} again={reading.again} />
        ))}
      </Sheet>
      <Sheet title="OAuth clients that nobody let in yet" count={fresh.length}>
        {fresh.map((one) => (
          <FreshItem key={one.id} of={one} again={reading.again} />
        ))}
      </Sheet>
      {inbox.more === 0 ? null : (
        <p class="note">{`${inbox.more} more appear when some of these are decided.`}</p>
      )}
    </>
  );
}

/** One kind of what waits. */
function Sheet(props: {
  title: string;
  count: number;
  note?: string;
  children: ComponentChildren;
}) {
  const id = props.title.toLowerCase().replaceAll(" ", "-");
  if (props.count === 0) return null;
  return (
    <section class="sheet" aria-labelledby={id}>
      <h2 id={id}>{props.title}</h2>
      {props.note === undefined ? null : <p class="note">{props.note}</p>}
      <ul class="plain-list">{props.children}</ul>
    </section>
  );
}

function HostTitle(props: { name: string; children?: ComponentChildren }) {
  return (
    <h3>
      <Link to={["hosts", props.name]}>
        <Said text={props.name} />
      </Link>{" "}
      {props.children}
    </h3>
  );
}

/** The act that resolves what waits, for who may do it. */
function Decide(props: { right: string; name: string; label: string; work: () => Promise<void> }) {
  const may = useRight(props.right);
  const { run, isRunning, refusal } = useAct();
  return (
    <>
      {refusal === null ? null : <Failure refusal={refusal} />}
      {may ? (
        <p class="acts">
          <button
            type="button"
            aria-label={props.name}
            disabled={isRunning}
            onClick={() => run(props.work)}
          >
            {props.label}
          </button>
        </p>
      ) : null}
    </>
  );
}

function Held({ entry, again }: { entry: HoldEntry; again: () => void }) {
  const { agent, hold } = entry;
  return (
    <li>
      <HostTitle name={agent}>
        <Badge level="bad">{hold.kind}</Badge>
      </HostTitle>
      <p>
        <Said text={hold.reason} />{" "}
        <span class="note">
          since <Time at={hold.since} />, by <Said text={hold.by} />
        </span>
      </p>
      <Decide
        right="agents.manage"
        name={`Release ${agent}`}
        label="Release"
        work={async () => {
          await ask("POST", `/agents/${part(agent)}/release`);
          again();
        }}
      />
    </li>
  );
}

function Drift({ entry, again }: { entry: DriftEntry; again: () => void }) {
  const { agent, differences, act } = entry;
  const review = differences.filter(({ drift }) => drift === "review").length;
  return (
    <li>
      <HostTitle name={agent}>
        <Badge level="warn">{`${review} to review`}</Badge>
      </HostTitle>
      <Differences differences={differences} />
      <Decide
        right="drift.manage"
        name={`Approve this statement of ${agent}`}
        label="Approve this statement"
        work={async () => {
          await ask("POST", `/agents/${part(agent)}/accept-drift`, act.body);
          again();
        }}
      />
    </li>
  );
}

/** A pack that came to its host by another way than this hub. */
function UnknownItem({ of: { name, version, agents } }: { of: UnknownPack }) {
  return (
    <li>
      <h3>
        <Said text={name} /> <span class="note">{version}</span>
      </h3>
      <ul class="tags hosts-list" aria-label="Hosts">
        {agents.map((agent: AgentDetail) => (
          <li key={agent.id}>
            <Link to={["hosts", agent.name]}>
              <Said text={agent.name} />
            </Link>{" "}
            <StateBadge agent={agent} />
          </li>
        ))}
      </ul>
      <p class="note">
        This hub does not know the pack, so only a person on the host decides. The command shows
        every read first.
      </p>
      <Lines label={`Approve ${name} on the host`} text={`sudo sonde-agent approve ${name}`} />
    </li>
  );
}

/** The words of one archive, beside those that were approved. */
function Words({ of: { digest, tools }, again }: { of: HeldWords; again: () => void }) {
  const [first] = tools;
  if (first === undefined) return null;
  return (
    <li>
      <h3>
        <Said text={first.pack} /> <span class="note">{first.version}</span>
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
          {tools.map((tool) => (
            <tr key={tool.id}>
              <th scope="row">
                <Said text={tool.probe} />
              </th>
              <td>
                <Wording tool={tool} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Decide
        right="tools.approve"
        name={`Approve these words of ${first.pack}`}
        label="Approve these words"
        work={async () => {
          await ask("POST", "/tool-pins", { packDigest: digest });
          again();
        }}
      />
    </li>
  );
}

function Wording({ tool: { approved, stated } }: { tool: ToolEntry }) {
  const [before, now] = [JSON.stringify(approved?.params), JSON.stringify(stated.params)];
  return (
    <>
      <p class="was">
        <Said text={approved?.description ?? "not approved before"} />
      </p>
      <p>
        <Said text={stated.description} />
      </p>
      {approved !== null && before !== now ? (
        <>
          <p class="was">
            <Said code text={before ?? ""} />
          </p>
          <p>
            <Said code text={now ?? ""} />
          </p>
        </>
      ) : null}
      {approved?.description === stated.description && before === now ? (
        <p class="note">The sentence is the same; its title, its answer or its level changed.</p>
      ) : null}
    </>
  );
}
