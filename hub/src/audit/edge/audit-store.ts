import type { AuditEntry, AuditRecord, ChainEntry } from "@sonde/schemas/audit";
import type { Digest } from "@sonde/schemas/names";
import type { LogHead } from "@sonde/schemas/wire";
import { parseAuditEntry } from "@sonde/schemas/audit";
import { parseJson } from "@sonde/schemas/parse";
import { segmentOf } from "@sonde/trust/hub-log";
import postgres, { type Sql } from "postgres";
import type { Trouble } from "../core/audit-log.ts";
import { createDroppedStore } from "./dropped-store.ts";

/**
 * The audit log's table. `append` is atomic, and durable when it resolves. Several processes may
 * append; all entries have one order. Of entries that were dropped only hashes are there, and only
 * `readHash` and `readChain` know of them.
 */
export type AuditStore = {
  readHead(): Promise<LogHead>;
  readHash(seq: number): Promise<Digest | null>;
  /**
   * Appends entries that were chained onto `head`.
   *
   * @returns false, with nothing written, when the log's head is no longer `head`
   */
  append(head: LogHead, entries: AuditEntry[]): Promise<boolean>;
  judge(thrown: unknown): Trouble;
  read(afterSeq: number, limit: number): Promise<AuditEntry[]>;
  /**
   * Reads the next places of the chain, dropped ones too.
   *
   * @returns `saidBy` is the newest entry `log.dropped` that speaks for one of them; 0 without any
   */
  readChain(afterSeq: number, limit: number): Promise<{ entries: ChainEntry[]; saidBy: number }>;
  /**
   * Like `read`, but of at most about `maxBytes` of records; always one entry, where there is one.
   *
   * @param until the last entry that is wanted; null for no end
   */
  readUpTo(
    afterSeq: number,
    most: { entries: number; bytes: number; until: number | null },
  ): Promise<AuditEntry[]>;
  readCall(callId: string): Promise<AuditEntry[]>;
  /**
   * Reads the calls before an entry, the newest first: the record that admits or refuses each, and
   * its answer's.
   *
   * @param wanted.before an entry's number; null for the newest calls
   * @param wanted.agent null for all agents
   */
  readCalls(wanted: {
    before: number | null;
    limit: number;
    agent: string | null;
  }): Promise<StoredCall[]>;
  /** The newest record that says what was dropped. */
  readNewestDrop(): Promise<AuditEntry | null>;
  /** The hash of the trust policy that this hub recorded last; null before the first. */
  readPolicyHash(): Promise<string | null>;
  /**
   * Reads the requests without a later entry of the same call, except those of `running` hubs.
   * Rows of release 0.1.0 name no hub. What is older than entries that were dropped has ended: none
   * of those was open.
   */
  readOpenRequests(running: readonly string[]): Promise<OpenRequest[]>;
  /** Whether one of these entries is such a request, of whichever hub. */
  hasOpenRequest(from: number, to: number): Promise<boolean>;
  /** Runs `work` while no other process of this database runs its own. */
  alone<T>(work: () => Promise<T>): Promise<T>;
};

/** A request that was not answered yet. `writer` is its hub; null in rows of release 0.1.0. */
export type OpenRequest = { writer: string | null; record: AuditRecord };

/** `answer` is null while the call runs, and for one that was refused. */
export type StoredCall = { asked: AuditEntry; answer: AuditRecord | null };

/** An arbitrary number, the same in every process. */
const ADVISORY_LOCK = 736_017_102;

/**
 * Classes of SQLSTATE (PostgreSQL, appendix A) that say nothing against the statement itself: the
 * connection or the server ended, perhaps during the commit; and a transaction, a resource, a lock
 * or the disk that was not to be had.
 */
const MAYBE_WRITTEN = /^(08|57)/;
const NOT_WRITTEN = /^(25|40|53|55|58)/;

/** As in the migration that filled the column for older entries. */
const MAX_TOOL = 200;

export type Row = { seq: string; previous: string; hash: string; record: string };

/** PostgreSQL's text has no NUL and no lone surrogate. */
function toText(value: string | null): string | null {
  return value === null ? null : value.toWellFormed().replaceAll("\0", "\ufffd");
}

/** The tool that a record names; one of a probe names the probe. */
function toolOf({ tool }: AuditRecord["detail"]): string | null {
  return typeof tool === "string" ? tool.slice(0, MAX_TOOL) : null;
}

/**
 * Texts without line breaks, as JSON is: an array of them is read and written faster this way. What
 * splits them is written out where it stands: the driver builds a template within a template anew for
 * each commit.
 */
function linesOf(texts: readonly string[]): string {
  return texts.join("\n");
}

type Times = { span: number; first: string; last: string; bytes: number };

/** What entries add to each of their segments. Their times are of one form, in which texts compare. */
function listTimes(entries: readonly AuditEntry[], json: readonly string[]): Times[] {
  const times = new Map<number, Times>();
  for (const [place, { seq, record }] of entries.entries()) {
    const span = segmentOf(seq);
    const bytes = Buffer.byteLength(json[place] ?? "");
    const known = times.get(span);
    if (known === undefined) times.set(span, { span, first: record.at, last: record.at, bytes });
    else {
      if (record.at < known.first) known.first = record.at;
      if (record.at > known.last) known.last = record.at;
      known.bytes += bytes;
    }
  }
  return [...times.values()];
}

export function toEntry(row: Row): AuditEntry {
  const record = parseJson(row.record, "audit record", "AUDIT_UNAVAILABLE");
  return parseAuditEntry({
    seq: Number(row.seq),
    previous: row.previous,
    record,
    hash: row.hash,
  });
}

/** @param writer this hub's name, stored with each row */
export function createAuditStore(sql: Sql, writer: string): AuditStore {
  const dropped = createDroppedStore(sql);
  const isOpen = () => sql`
    seq > (select coalesce(max(segment), -1) * 4096 + 4095 from audit_dropped)
    and not exists (
      select 1 from audit_log later
      where later.call_id = request.call_id and later.seq > request.seq
    )`;
  return {
    async readHead() {
      const [row] = await sql<{ size: string; hash: string }[]>`
        select size, hash from audit_head`;
      if (row === undefined) throw new Error("audit_head has no row");
      return { size: Number(row.size), hash: row.hash };
    },
    async readHash(seq) {
      const [row] = await sql<{ hash: Digest }[]>`select hash from audit_log where seq = ${seq}`;
      return row?.hash ?? (await dropped.readHash(seq));
    },
    judge(thrown) {
      if (!(thrown instanceof Error)) return "refused";
      const code = "code" in thrown ? String(thrown.code) : "";
      if (!(thrown instanceof postgres.PostgresError)) return code === "" ? "refused" : "unknown";
      if (MAYBE_WRITTEN.test(code)) return "unknown";
      return NOT_WRITTEN.test(code) ? "outage" : "refused";
    },
    async append(head, entries) {
      const last = entries.at(-1);
      if (last === undefined) return true;
      const records = entries.map((entry) => entry.record);
      const texts = (of: (record: AuditRecord) => string | null) =>
        sql.array(records.map((record) => toText(of(record))));
      const json = records.map((record) => JSON.stringify(record));
      const times = listTimes(entries, json);
      // One statement, so one round trip and one commit: the head and the rows change atomically.
      const rows = await sql`
        with moved as (
          update audit_head set size = ${last.seq}, hash = ${last.hash}
          where size = ${head.size} and hash = ${head.hash}
          returning only_row
        ), timed as (
          insert into audit_times (span, first_at, last_at, bytes)
          select * from unnest(
            ${sql.array(
              times.map(({ span }) => span),
              20,
            )}::bigint[],
            ${sql.array(times.map(({ first }) => first))}::timestamptz[],
            ${sql.array(times.map(({ last: end }) => end))}::timestamptz[],
            ${sql.array(
              times.map(({ bytes }) => bytes),
              20,
            )}::bigint[]
          ) where exists (select 1 from moved)
          on conflict (span) do update set
            first_at = least(audit_times.first_at, excluded.first_at),
            last_at = greatest(audit_times.last_at, excluded.last_at),
            bytes = audit_times.bytes + excluded.bytes
        )
        insert into audit_log (seq, previous, hash, event, call_id, record,
          at, principal, agent, probe, tool, status, writer)
        select *, ${writer}::uuid from unnest(
          ${sql.array(
            entries.map((entry) => entry.seq),
            20,
          )}::bigint[],
          string_to_array(${linesOf(entries.map((entry) => entry.previous))}::text, E'\n'),
          string_to_array(${linesOf(entries.map((entry) => entry.hash))}::text, E'\n'),
          ${texts(({ event }) => event)}::text[],
          ${texts(({ callId }) => callId)}::uuid[],
          string_to_array(${linesOf(json)}::text, E'\n'),
          string_to_array(${linesOf(records.map(({ at }) => at))}::text, E'\n')::timestamptz[],
          ${texts(({ principal }) => principal)}::text[],
          ${texts(({ agent }) => agent)}::text[],
          ${texts(({ probe }) => probe)}::text[],
          ${texts(({ detail }) => toolOf(detail))}::text[],
          ${texts(({ status }) => status)}::text[]
        ) where exists (select 1 from moved)
        returning 1`;
      return rows.length === entries.length;
    },
    async read(afterSeq, limit) {
      const rows = await sql<Row[]>`
        select seq, previous, hash, record from audit_log
        where seq > ${afterSeq} order by seq limit ${limit}`;
      return rows.map(toEntry);
    },
    async readChain(afterSeq, limit) {
      const last = afterSeq + limit;
      // What goes meanwhile is among the dropped ones then, so these are read later.
      const rows = await sql<Row[]>`
        select seq, previous, hash, record from audit_log
        where seq > ${afterSeq} and seq <= ${last} order by seq`;
      const there = rows.map(toEntry);
      if (there.length === limit) return { entries: there, saidBy: 0 };
      const { entries: gone, saidBy } = await dropped.read({ from: afterSeq + 1, to: last });
      const known = new Set(there.map(({ seq }) => seq));
      const others = gone.filter(({ seq }) => !known.has(seq));
      return { entries: [...there, ...others].toSorted((a, b) => a.seq - b.seq), saidBy };
    },
    async readUpTo(afterSeq, { entries, bytes, until }) {
      const rows = await sql<Row[]>`
        select seq, previous, hash, record from (
          select *, sum(octet_length(record)) over (order by seq) as total,
            row_number() over (order by seq) as place
          from (
            select seq, previous, hash, record from audit_log
            where seq > ${afterSeq} ${until === null ? sql`` : sql`and seq <= ${until}`}
            order by seq limit ${entries}
          ) wanted
        ) summed where total <= ${bytes} or place = 1 order by seq`;
      return rows.map(toEntry);
    },
    async readCall(callId) {
      const rows = await sql<Row[]>`
        select seq, previous, hash, record from audit_log
        where call_id = ${callId} order by seq limit 10`;
      return rows.map(toEntry);
    },
    async readCalls({ before, limit, agent }) {
      const asked = await sql<Row[]>`
        select seq, previous, hash, record from audit_log
        where event in ('call.request', 'call.denied')
          ${before === null ? sql`` : sql`and seq < ${before}`}
          ${agent === null ? sql`` : sql`and agent = ${agent}`}
        order by seq desc limit ${limit}`;
      const entries = asked.map(toEntry);
      const ids = entries.flatMap(({ record }) => record.callId ?? []);
      const ended = await sql<Row[]>`
        select seq, previous, hash, record from audit_log
        where call_id = any(${ids}::uuid[]) and event in ('call.response', 'call.unknown')
        order by seq`;
      const answers = new Map(ended.map(toEntry).map(({ record }) => [record.callId, record]));
      return entries.map((entry) => ({
        asked: entry,
        answer: answers.get(entry.record.callId) ?? null,
      }));
    },
    async readNewestDrop() {
      // The index has only some events, and is used when the condition says so.
      const [row] = await sql<Row[]>`
        select seq, previous, hash, record from audit_log
        where event = 'log.dropped' and event not in ('call.request', 'call.response')
        order by seq desc limit 1`;
      return row === undefined ? null : toEntry(row);
    },
    async readPolicyHash() {
      const [row] = await sql<Row[]>`
        select seq, previous, hash, record from audit_log
        where event = 'policy.changed' and writer = ${writer} order by seq desc limit 1`;
      // Of an entry on hold, a newer one may have been dropped.
      const [kept] = await sql<{ sha256: string }[]>`
        select sha256 from audit_policies where writer = ${writer}::uuid and seq > ${row?.seq ?? 0}`;
      if (kept !== undefined) return kept.sha256;
      const sha256 = row === undefined ? null : toEntry(row).record.detail["sha256"];
      return typeof sha256 === "string" ? sha256 : null;
    },
    async readOpenRequests(running) {
      const rows = await sql<(Row & { writer: string | null })[]>`
        select seq, previous, hash, record, writer from audit_log request
        where event = 'call.request'
          and (writer is null or writer <> all(${sql.array([...running])}::uuid[]))
          and ${isOpen()} order by seq`;
      return rows.map((row) => ({ writer: row.writer, record: toEntry(row).record }));
    },
    async hasOpenRequest(from, to) {
      const found = await sql`
        select 1 from audit_log request
        where seq between ${from} and ${to} and event = 'call.request' and ${isOpen()} limit 1`;
      return found.length > 0;
    },
    async alone(work) {
      const done = await sql.begin(async (tx) => {
        await tx`select pg_advisory_xact_lock(${ADVISORY_LOCK})`;
        return { result: await work() };
      });
      return done.result;
    },
  };
}
