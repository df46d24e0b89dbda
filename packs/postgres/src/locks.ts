import { param, probe, read, t } from "@sonde/pack-sdk/author";
import {
  countHeldUp,
  longestOf,
  numberOf,
  type Row,
  secondsOf,
  textOf,
} from "@sonde/pack-sdk/parse";
import { session, showSession } from "./session.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 20;

export const locks = probe({
  description:
    "Who waits for whose locks in PostgreSQL: the sessions at the root, each with how many it holds up, directly or over " +
    "others, and those that wait, the longest first. A root is what to look at: often it is idle in transaction.",
  params: t.object({
    database: t.optional(
      t.string({ maxLength: 63, description: "whose tables have names in the answer" }),
    ),
    limit: t.optional(t.integer({ minimum: 1, maximum: 100 })),
  }),
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
        blockedBy: t.array(t.integer(), { description: "pids; 0 is a prepared transaction" }),
        waitSeconds: t.nullable(t.number()),
        lock: t.nullable(t.string(), { description: "kind and mode" }),
        relation: t.nullable(t.string(), { description: "table or index, where one is locked" }),
      }),
    ),
    waitingCount: t.integer({ description: "before the limit" }),
    incomplete: t.boolean({ description: "there were more sessions than were read" }),
  }),
  reads: {
    sessions: sources.sessions,
    awaited: read(sources.awaited, { with: { database: param("database", "postgres") } }),
  },
  run({ params, reads: { sessions, awaited } }) {
    const limit = params.limit ?? DEFAULT_LIMIT;
    const known = new Map(sessions.records.map((row) => [numberOf(row, "pid") ?? 0, row]));
    const wanted = new Map(awaited.records.map((row) => [numberOf(row, "pid") ?? 0, row]));
    const blockers = new Map(
      [...known]
        .map(([pid, row]): [number, number[]] => [pid, pidsOf(textOf(row, "blocked_by"))])
        .filter(([, by]) => by.length > 0),
    );
    const waiting = [...blockers]
      .map(([pid, blockedBy]) =>
        showWaiting(known.get(pid) ?? {}, wanted.get(pid) ?? {}, blockedBy),
      )
      .toSorted((a, b) => (b.waitSeconds ?? 0) - (a.waitSeconds ?? 0));
    const heldUp = countHeldUp(blockers);
    return {
      roots: [...heldUp]
        .map(([pid, held]) => ({
          ...showSession(known.get(pid) ?? { pid: String(pid) }),
          holdsUp: held.size,
          longestWaitSeconds: longestOf(waiting.filter((one) => held.has(one.pid))),
        }))
        .toSorted((a, b) => b.holdsUp - a.holdsUp || a.pid - b.pid)
        .slice(0, limit),
      waiting: waiting.slice(0, limit),
      waitingCount: waiting.length,
      incomplete: sessions.truncated || awaited.truncated,
    };
  },
});

function showWaiting(row: Row, lock: Row, blockedBy: number[]) {
  const [kind, mode] = [textOf(lock, "locktype"), textOf(lock, "mode")];
  return {
    ...showSession(row),
    blockedBy,
    waitSeconds: secondsOf(lock, "seconds"),
    lock: kind === "" ? null : `${kind}: ${mode}`,
    relation: lock["relname"] ?? lock["relation"] ?? null,
  };
}

/** A pid comes once for each of its parallel workers. */
function pidsOf(list: string): number[] {
  return list === "" ? [] : [...new Set(list.split(",").map(Number))];
}
