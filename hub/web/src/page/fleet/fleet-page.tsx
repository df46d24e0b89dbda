import type { AgentDetail } from "@sonde/schemas/hub";
import { useEffect, useState } from "preact/hooks";
import { DriftBadge, StateBadge, Tags, WAITING } from "../agent-state.tsx";
import { useLive, useRight } from "../live.ts";
import { Badge, countOf, Empty, Failure, PageTitle, Said, Time, Waiting } from "../parts.tsx";
import { Link, setQuery, useRoute } from "../router.tsx";
import {
  buildRows,
  chooseAgents,
  type Filter,
  listTagKeys,
  type Row,
  type Show,
} from "./choose-rows.ts";
import { InviteWindow } from "./invite-window.tsx";

/** Rows of one page of the table: more would be slow to draw, and nobody reads them. */
const ROWS = 100;
const SHOWS: readonly [Show, string][] = [
  ["all", "All"],
  ["attention", "Needs a person"],
  ["online", "Online"],
  ["offline", "Offline"],
];

/** All hosts: what they are, and which of them needs a person. */
export function FleetPage() {
  const agents = useLive((live) => live.agents);
  const failure = useLive((live) => live.failure);
  const mayInvite = useRight("agents.manage");
  const [isInviting, setInviting] = useState(false);
  return (
    <>
      <PageTitle title="Fleet">
        <p class="lead">{agents === null ? "\u00a0" : describeFleet(agents)}</p>
        {mayInvite ? (
          <button type="button" onClick={() => setInviting(true)}>
            Invite a host
          </button>
        ) : null}
      </PageTitle>
      {isInviting ? <InviteWindow close={() => setInviting(false)} /> : null}
      {failure === null ? null : <Failure refusal={failure} />}
      {agents === null ? (
        failure === null ? (
          <Waiting rows={10} />
        ) : null
      ) : (
        <Hosts agents={agents} />
      )}
    </>
  );
}

function describeFleet(agents: readonly AgentDetail[]): string {
  const online = agents.filter((agent) => agent.online).length;
  return `${countOf(agents.length, "host")}, ${online.toLocaleString("en-US")} online`;
}

function Hosts({ agents }: { agents: readonly AgentDetail[] }) {
  const { query } = useRoute();
  const [page, setPage] = useState(0);
  const filter: Filter = {
    text: query.get("q") ?? "",
    show: SHOWS.find(([show]) => show === query.get("show"))?.[0] ?? "all",
    group: query.get("group") ?? "",
  };
  const change = (part: Partial<Filter>) => {
    const { text, show, group } = { ...filter, ...part };
    setPage(0);
    setQuery([], { q: text, show: show === "all" ? "" : show, group });
  };
  if (agents.length === 0) {
    return (
      <Empty title="No host is here yet.">
        <p>Invite one: it takes two lines on the host, and appears here by itself.</p>
      </Empty>
    );
  }
  const chosen = chooseAgents(agents, filter);
  const rows = buildRows(chosen, filter.group);
  const last = Math.max(0, Math.ceil(rows.length / ROWS) - 1);
  const shown = Math.min(page, last);
  return (
    <>
      <FilterForm agents={agents} filter={filter} change={change} />
      <p class="unseen" role="status">
        {countOf(chosen.length, "host")} shown
      </p>
      {chosen.length === 0 ? (
        <Empty title="No host fits.">
          <button type="button" class="plain" onClick={() => change({ text: "", show: "all" })}>
            Show all hosts
          </button>
        </Empty>
      ) : (
        <HostTable rows={rows.slice(shown * ROWS, (shown + 1) * ROWS)} change={change} />
      )}
      {last === 0 ? null : <Pager page={shown} last={last} set={setPage} />}
    </>
  );
}

type Change = (part: Partial<Filter>) => void;

function FilterForm(props: { agents: readonly AgentDetail[]; filter: Filter; change: Change }) {
  const { agents, filter, change } = props;
  const [text, setText] = useState(filter.text);
  // A tag that is pressed fills the field too.
  useEffect(() => setText(filter.text), [filter.text]);
  return (
    <form class="filter" role="search" onSubmit={(event) => event.preventDefault()}>
      <label class="unseen" for="search">
        Filter by name, tag or system
      </label>
      <input
        id="search"
        type="search"
        placeholder="Name, tag or system"
        value={text}
        maxLength={200}
        autocomplete="off"
        spellcheck={false}
        onInput={({ currentTarget }) => {
          setText(currentTarget.value);
          change({ text: currentTarget.value });
        }}
      />
      <fieldset class="choices">
        <legend class="unseen">Which hosts</legend>
        {SHOWS.map(([show, name]) => (
          <label key={show}>
            <input
              type="radio"
              name="show"
              checked={filter.show === show}
              onChange={() => change({ show })}
            />
            <span>{name}</span>
          </label>
        ))}
      </fieldset>
      <label class="unseen" for="group">
        Group by tag
      </label>
      <select
        id="group"
        value={filter.group}
        onChange={({ currentTarget }) => change({ group: currentTarget.value })}
      >
        <option value="">Not grouped</option>
        {listTagKeys(agents).map((key) => (
          <option key={key} value={key}>
            By {key}
          </option>
        ))}
      </select>
    </form>
  );
}

function HostTable({ rows, change }: { rows: readonly Row[]; change: Change }) {
  return (
    <table class="hosts">
      <caption class="unseen">Hosts</caption>
      <thead>
        <tr>
          <th scope="col">Host</th>
          <th scope="col">State</th>
          <th scope="col" class="middle">
            Against what was approved
          </th>
          <th scope="col" class="middle">
            Packs
          </th>
          <th scope="col" class="extra">
            System
          </th>
          <th scope="col" class="extra">
            Agent
          </th>
          <th scope="col" class="extra">
            Last seen
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) =>
          row.kind === "group" ? (
            <tr class="group" key={`group ${row.name}`}>
              <th scope="rowgroup" colSpan={7}>
                <Said text={row.name} /> <span class="note">{countOf(row.count, "host")}</span>
              </th>
            </tr>
          ) : (
            <HostRow agent={row.agent} change={change} key={row.agent.id} />
          ),
        )}
      </tbody>
    </table>
  );
}

function HostRow({ agent, change }: { agent: AgentDetail; change: Change }) {
  const lastSeen = agent.online ? (
    "now"
  ) : agent.lastSeenAt === null ? (
    "never"
  ) : (
    <Time at={agent.lastSeenAt} />
  );
  return (
    <tr>
      <th scope="row">
        <Link to={["hosts", agent.name]}>
          <Said text={agent.name} />
        </Link>
        <Tags tags={agent.tags} choose={(tag) => change({ text: tag })} />
      </th>
      <td>
        <StateBadge agent={agent} />
        <span class="narrow">
          <DriftBadge attestation={agent.attestation} />
        </span>
      </td>
      <td class="middle">
        <DriftBadge attestation={agent.attestation} />
      </td>
      <td class="middle">
        <PackCount agent={agent} />
      </td>
      <td class="extra">{agent.os === null ? "" : <Said text={agent.os} />}</td>
      <td class="extra">{agent.agentVersion ?? ""}</td>
      <td class="extra">{lastSeen}</td>
    </tr>
  );
}

function PackCount({ agent: { packs } }: { agent: AgentDetail }) {
  const waiting = packs.filter(({ state }) => WAITING.has(state)).length;
  const active = packs.filter(({ state }) => state === "active").length;
  return (
    <>
      {`${active} active `}
      {waiting === 0 ? null : <Badge level="warn">{`${waiting} waiting`}</Badge>}
    </>
  );
}

function Pager({ page, last, set }: { page: number; last: number; set: (page: number) => void }) {
  return (
    <nav class="pager" aria-label="Pages of the table">
      <button type="button" class="plain" disabled={page === 0} onClick={() => set(page - 1)}>
        Previous
      </button>
      <span role="status">{`Page ${page + 1} of ${last + 1}`}</span>
      <button type="button" class="plain" disabled={page === last} onClick={() => set(page + 1)}>
        Next
      </button>
    </nav>
  );
}
