import { probe, read, t } from "@sonde/pack-sdk/author";
import {
  countHeldUp,
  longestOf,
  numberOf,
  type Row,
  secondsOf,
  textOf,
} from "@sonde/pack-sdk/parse";
import { isMariadb, pick, toCounters } from "./counters.ts";
import { session, showSession } from "./session.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 20;

export const locks = probe({
  description:
    "Who waits for whose locks in MariaDB or MySQL, of rows and of whole tables: the sessions at the root, each with how many it " +
    "holds up, directly or over others, and those that wait, the longest first. A root is what to look at: often it is idle in transaction.",
  params: t.object({ limit: t.optional(t.integer({ minimum: 1, maximum: 100 })) }),
  result: t.object({
    roots: t.array(
      t.object({
        ...session,
        holdsUp: t.integer({ description: "sessions, directly or over others" }),
        longestWaitSeconds: t.nullable(t.number()),
      }),
    ),
    waiting: t.array(
      t.object({
        ...session,
        blockedBy: t.array(t.integer(), {
          description: "ids; none when the server does not say who has a table",
        }),
        waitSeconds: t.nullable(t.number()),
        lock: t.string({ description: "row or table, and the mode" }),
        table: t.nullable(t.string()),
        index: t.nullable(t.string()),
      }),
    ),
    waitingCount: t.integer({ description: "before the limit" }),
    tableHoldersUnknown: t.nullable(t.string(), {
      description: "why the server does not say who has a table that others wait for",
    }),
    incomplete: t.boolean({ description: "there were more sessions than were read" }),
  }),
  reads: {
    server: sources.server,
    sessions: sources.sessions,
    mariadb: read(sources.rowLocksMariadb, { optional: true }),
    mysql: read(sources.rowLocksMysql, { optional: true }),
    tables: sources.tableLocks,
    countersMariadb: read(sources.countersMariadb, { optional: true }),
    countersMysql: read(sources.countersMysql, { optional: true }),
  },
  run({ params, reads }) {
    const { server, sessions, mariadb, mysql, tables } = reads;
    const limit = params.limit ?? DEFAULT_LIMIT;
    const version = textOf(server.records[0] ?? {}, "version");
    const known = new Map(sessions.records.map((row) => [numberOf(row, "id") ?? 0, row]));
    const waits = [
      ...rowWaits(pick(version, mariadb, mysql)),
      ...tableWaits(sessions.records, tables.records),
    ];
    const blockers = new Map(waits.map(({ id, blockedBy }) => [id, blockedBy]));
    const waiting = waits
      .map(({ id, ...wait }) => ({ ...showSession(known.get(id) ?? { id: String(id) }), ...wait }))
      .toSorted((a, b) => (b.waitSeconds ?? 0) - (a.waitSeconds ?? 0));
    const heldUp = countHeldUp(blockers);
    const counters = toCounters(pick(version, reads.countersMariadb, reads.countersMysql));
    const chosen = isMariadb(version) ? mariadb : mysql;
    return {
      roots: [...heldUp]
        .map(([id, held]) => ({
          ...showSession(known.get(id) ?? { id: String(id) }),
          holdsUp: held.size,
          longestWaitSeconds: longestOf(waiting.filter((one) => held.has(one.id))),
        }))
        .toSorted((a, b) => b.holdsUp - a.holdsUp || a.id - b.id)
        .slice(0, limit),
      waiting: waiting.slice(0, limit),
      waitingCount: waiting.length,
      tableHoldersUnknown: whyUnknown(tables.records, counters.isOn("performance_schema")),
      incomplete: sessions.truncated || tables.truncated || (chosen.ok && chosen.truncated),
    };
  },
});

type Wait = {
  id: number;
  blockedBy: number[];
  waitSeconds: number | null;
  lock: string;
  table: string | null;
  index: string | null;
};

/** A session waits for one lock at a time, and often for several others that have it. */
function rowWaits(rows: readonly Row[]): Wait[] {
  const waits = new Map<number, Wait>();
  for (const row of rows) {
    const id = numberOf(row, "waiter") ?? 0;
    const blocker = numberOf(row, "blocker") ?? 0;
    const wait = waits.get(id) ?? {
      ...{ id, blockedBy: [], waitSeconds: secondsOf(row, "seconds") },
      lock: `row: ${textOf(row, "lock_mode")}`,
      table: row["lock_table"]?.replaceAll("`", "") ?? null,
      index: row["lock_index"] ?? null,
    };
    if (!wait.blockedBy.includes(blocker)) wait.blockedBy.push(blocker);
    waits.set(id, wait);
  }
  return [...waits.values()];
}

/** Modes that keep all others out of a table, or only those that would change it. */
const EXCLUSIVE = ["EXCLUSIVE", "SHARED_NO_READ_WRITE", "SHARED_NO_WRITE", "SHARED_UPGRADABLE"];

/** Who waits for a table as a whole: the list of sessions says so, the other who has it. */
function tableWaits(sessions: readonly Row[], locked: readonly Row[]): Wait[] {
  return sessions
    .filter((row) => /^Waiting for .*lock/.test(textOf(row, "state")))
    .map((row) => {
      const id = numberOf(row, "id") ?? 0;
      const wanted = locked.find(
        (one) => numberOf(one, "id") === id && one["lock_status"] === "PENDING",
      );
      return {
        ...{ id, blockedBy: wanted === undefined ? [] : ownersOf(wanted, locked) },
        waitSeconds: secondsOf(row, "time"),
        lock: wanted === undefined ? "table" : `table: ${textOf(wanted, "lock_type")}`,
        table: wanted?.["name"] ?? null,
        index: null,
      };
    });
}

/** Those that have the table; for one that only reads or writes rows, those that keep it out. */
function ownersOf(wanted: Row, locked: readonly Row[]): number[] {
  const others = locked.filter(
    (one) => one["name"] === wanted["name"] && one["id"] !== wanted["id"],
  );
  const isExclusive = (one: Row): boolean => EXCLUSIVE.includes(textOf(one, "lock_type"));
  const inWay = others.filter((one) =>
    isExclusive(wanted) ? one["lock_status"] === "GRANTED" : isExclusive(one),
  );
  return [...new Set(inWay.map((one) => numberOf(one, "id") ?? 0))];
}

function whyUnknown(locked: readonly Row[], isOn: boolean): string | null {
  if (!isOn) {
    return "performance_schema is off; performance_schema=ON in the section [mysqld] of the server's configuration and a restart turn it on";
  }
  return locked.length > 0
    ? null
    : "no table is in use, or the server does not watch: performance-schema-instrument='wait/lock/metadata/sql/mdl=ON' in its configuration turns it on";
}
