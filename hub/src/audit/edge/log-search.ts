import type { AuditEntry, AuditEvent, AuditRecord } from "@sonde/schemas/audit";
import type { SearchedRange } from "@sonde/schemas/audit-search";
import type { PendingQuery, Row as AnyRow, Sql } from "postgres";
import { firstOf, lastOf } from "@sonde/trust/hub-log";
import { type Row, toEntry } from "./audit-store.ts";

/** What an entry must fit. A member that is null fits every entry; an empty list fits none. */
export type Wanted = {
  principals: readonly string[] | null;
  agents: readonly string[] | null;
  probe: string | null;
  /** By name, and the probe of whose calls it is the name. */
  tool: { name: string; probe: string } | null;
  event: AuditEvent | null;
  decision: "allow" | "deny" | null;
  status: AuditRecord["status"] | null;
  call: string | null;
  since: Date | null;
  until: Date | null;
  text: string | null;
};

/** Where to look, by the numbers of the first and the last entry. */
export type Bounds = { from: number; to: number };
export type Order = "newest" | "oldest";

/** The entries that fit, in order, and the part of the bounds that has no others. */
export type Found = { entries: AuditEntry[]; searched: SearchedRange };

/**
 * Finds entries. Each page looks at no more than a few thousand of them, however many there are: by the
 * index that gets farthest, and else one after the other.
 */
export type LogSearch = {
  /** The part of the log that may have content, and of that time; null when none can be. */
  boundsOf(wanted: Pick<Wanted, "since" | "until">, within: Bounds): Promise<Bounds | null>;
  page(wanted: Wanted, bounds: Bounds, order: Order, limit: number): Promise<Found>;
};

/** Entries that a page looks at. */
export const LOOKED_AT = 2_000;
/** Entries that are read together, until the page is full. */
const TOGETHER = 500;
/** More values than these are not looked for one by one. */
const MAX_VALUES = 200;
/** The least that is looked for of each value. */
const LEAST_EACH = 20;

type Fragment = PendingQuery<AnyRow[]>;
/** Entries that an index has in order, by the values of one column. */
type Range = {
  column: "principal" | "agent" | "probe" | "tool" | "status" | "event";
  values: readonly string[];
};

/** The indexes that have only some of the entries: the condition must be said for them to be used. */
const SOME = {
  status: "status in ('failure', 'denied')",
  event: "event not in ('call.request', 'call.response')",
};
const OFTEN: ReadonlySet<AuditEvent> = new Set(["call.request", "call.response"]);

/** Entries by number, none of which is missing up to `reach`. */
type Candidates = { seqs: number[]; reach: number };

export function createLogSearch(sql: Sql): LogSearch {
  async function boundsOf(
    { since, until }: Pick<Wanted, "since" | "until">,
    within: Bounds,
  ): Promise<Bounds | null> {
    if (within.from > within.to) return null;
    const [row] = await sql<{ first: number | null; last: number | null }[]>`
      select min(span)::float8 as first, max(span)::float8 as last from audit_times where
        ${since === null ? sql`true` : sql`last_at >= ${since}`} and
        ${until === null ? sql`true` : sql`first_at < ${until}`}`;
    if (row === undefined || row.first === null || row.last === null) return null;
    const from = Math.max(within.from, firstOf(row.first));
    const to = Math.min(within.to, lastOf(row.last));
    return from > to ? null : { from, to };
  }

  function fits(wanted: Wanted): Fragment {
    const { principals, agents, probe, tool, event, decision, status, call, since, until, text } =
      wanted;
    const tests = [
      principals !== null && sql`principal = any(${sql.array([...principals])}::text[])`,
      agents !== null && sql`agent = any(${sql.array([...agents])}::text[])`,
      probe !== null && sql`probe = ${probe}`,
      tool !== null && sql`(tool = ${tool.name} or (tool is null and probe = ${tool.probe}))`,
      event !== null && sql`event = ${event}`,
      decision === "allow" && sql`event = 'call.request'`,
      decision === "deny" && sql`status = 'denied'`,
      status !== null && sql`status = ${status}`,
      call !== null && sql`call_id = ${call}`,
      since !== null && sql`at >= ${since}`,
      until !== null && sql`at < ${until}`,
      text !== null && sql`strpos(lower(record), lower(${text})) > 0`,
    ];
    return tests.reduce<Fragment>(
      (all, test) => (test === false ? all : sql`${all} and ${test}`),
      sql`true`,
    );
  }

  /** The numbers of entries with one of the values, from the bound on. */
  async function look(
    { column, values }: Range,
    { from, to }: Bounds,
    order: Order,
    most: number,
  ): Promise<Candidates> {
    const each = Math.max(LEAST_EACH, Math.ceil(most / Math.max(1, values.length)));
    const direction = sql.unsafe(order === "newest" ? "desc" : "asc");
    const some = column in SOME ? sql.unsafe(`and ${SOME[column as keyof typeof SOME]}`) : sql``;
    const rows = await sql<{ seqs: number[] | null }[]>`
      select (
        select array_agg(seq) from (
          select seq::float8 as seq from audit_log
          where ${sql(column)} = wanted.value ${some} and audit_log.seq between ${from} and ${to}
          order by audit_log.seq ${direction} limit ${each}
        ) own
      ) as seqs from unnest(${sql.array([...values])}::text[]) as wanted (value)`;
    const nearer = order === "newest" ? Math.max : Math.min;
    let reach = order === "newest" ? from : to;
    for (const { seqs } of rows) {
      if (seqs?.length === each) reach = nearer(reach, seqs.at(-1) ?? reach);
    }
    const seqs = rows.flatMap((row) => row.seqs ?? []);
    return {
      reach,
      seqs: sort(
        seqs.filter((seq) => isWithin(seq, reach, order)),
        order,
      ),
    };
  }

  /** Every index by which these entries can be found, each with what it takes to find them all. */
  function rangesOf({
    principals,
    agents,
    probe,
    tool,
    event,
    decision,
    status,
  }: Wanted): Range[][] {
    const one = (column: Range["column"], value: string): Range => ({ column, values: [value] });
    const ways: (Range[] | false)[] = [
      principals !== null && [{ column: "principal", values: principals }],
      agents !== null && [{ column: "agent", values: agents }],
      probe !== null && [one("probe", probe)],
      tool !== null && [one("tool", tool.name), one("probe", tool.probe)],
      event !== null && !OFTEN.has(event) && [one("event", event)],
      (status === "failure" || status === "denied") && [one("status", status)],
      decision === "deny" && status === null && [one("status", "denied")],
    ];
    return ways.filter(
      (way): way is Range[] =>
        way !== false && way.every(({ values }) => values.length <= MAX_VALUES),
    );
  }

  async function findByIndex(
    wanted: Wanted,
    bounds: Bounds,
    order: Order,
    limit: number,
  ): Promise<Candidates | null> {
    const ways = rangesOf(wanted);
    // Where one index has all that is wanted, its first entries are the page.
    const isAll = ways.length === 1 && countFilters(wanted) === 1 && wanted.tool === null;
    const most = isAll ? limit : LOOKED_AT;
    const found = await Promise.all(
      ways.map(async (way) => {
        const parts = await Promise.all(way.map((range) => look(range, bounds, order, most)));
        return merge(parts, order);
      }),
    );
    const farther = order === "newest" ? Math.min : Math.max;
    const best = found.reduce<Candidates | null>(
      (one, other) => (one === null || farther(one.reach, other.reach) !== one.reach ? other : one),
      null,
    );
    if (best === null) return null;
    const plain = windowOf(bounds, order);
    const end = order === "newest" ? plain.from : plain.to;
    if (best.reach !== end && farther(best.reach, end) === end) return null;
    return { reach: best.reach, seqs: intersectKnown(best.seqs, found, order) };
  }

  async function readRows(where: Fragment, wanted: Wanted, order: Order, limit: number) {
    const rows = await sql<Row[]>`
      select seq, previous, hash, record from audit_log where ${where} and ${fits(wanted)}
      order by seq ${sql.unsafe(order === "newest" ? "desc" : "asc")} limit ${limit}`;
    return rows.map(toEntry);
  }

  return {
    boundsOf,
    async page(wanted, bounds, order, limit) {
      if (wanted.call !== null) {
        const where = sql`call_id = ${wanted.call} and seq between ${bounds.from} and ${bounds.to}`;
        return finish(await readRows(where, wanted, order, limit), bounds, order, limit, null);
      }
      const candidates = await findByIndex(wanted, bounds, order, limit);
      if (candidates === null) {
        const plain = windowOf(bounds, order);
        const where = sql`seq between ${plain.from} and ${plain.to}`;
        const reach = order === "newest" ? plain.from : plain.to;
        return finish(await readRows(where, wanted, order, limit), bounds, order, limit, reach);
      }
      const entries: AuditEntry[] = [];
      for (let at = 0; at < candidates.seqs.length && entries.length < limit; at += TOGETHER) {
        const some = candidates.seqs.slice(at, at + TOGETHER);
        const where = sql`seq = any(${sql.array(some, 20)}::bigint[])`;
        entries.push(...(await readRows(where, wanted, order, limit - entries.length)));
      }
      return finish(entries, bounds, order, limit, candidates.reach);
    },
  };
}

function countFilters(wanted: Wanted): number {
  return Object.values(wanted).filter((value) => value !== null).length;
}

/** The part that is looked at one after the other. */
function windowOf({ from, to }: Bounds, order: Order): Bounds {
  return order === "newest"
    ? { from: Math.max(from, to - LOOKED_AT + 1), to }
    : { from, to: Math.min(to, from + LOOKED_AT - 1) };
}

function isWithin(seq: number, reach: number, order: Order): boolean {
  return order === "newest" ? seq >= reach : seq <= reach;
}

function sort(seqs: number[], order: Order): number[] {
  return seqs.toSorted((a, b) => (order === "newest" ? b - a : a - b));
}

/** What is known of all parts goes as far as the one that is known least of. */
function merge(parts: Candidates[], order: Order): Candidates {
  const reaches = parts.map(({ reach }) => reach);
  const reach = order === "newest" ? Math.max(...reaches) : Math.min(...reaches);
  const seqs = new Set(parts.flatMap((part) => part.seqs));
  return {
    reach,
    seqs: sort(
      [...seqs].filter((seq) => isWithin(seq, reach, order)),
      order,
    ),
  };
}

/** Those that every index has, as far as it was looked at: the others need not be read. */
function intersectKnown(seqs: number[], all: readonly Candidates[], order: Order): number[] {
  const known = all.map((one) => ({ reach: one.reach, seqs: new Set(one.seqs) }));
  return seqs.filter((seq) =>
    known.every((one) => !isWithin(seq, one.reach, order) || one.seqs.has(seq)),
  );
}

/** @param reach the last entry that was looked at; null for the end of the bounds */
function finish(
  entries: AuditEntry[],
  bounds: Bounds,
  order: Order,
  limit: number,
  reach: number | null,
): Found {
  const last = entries.length === limit ? entries.at(-1)?.seq : undefined;
  const searched =
    order === "newest"
      ? { from: last ?? reach ?? bounds.from, to: bounds.to }
      : { from: bounds.from, to: last ?? reach ?? bounds.to };
  return { entries, searched };
}
