import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { listOf, numberSetting, roundTo, secondsSince } from "./show.ts";
import * as sources from "./sources.ts";

const DEFAULT_NEWEST = 128;
const DEFAULT_LIMIT = 20;

export const slowlog = probe({
  description:
    "Commands that took a Redis server long, the slowest first, each with its duration, when, its number of arguments and their sizes, and who " +
    "sent it; and the same by command. Never keys or values. While one command runs, all others wait.",
  params: t.object({
    newest: t.optional(
      t.integer({
        ...{ minimum: 1, maximum: 1000 },
        description: `entries that are looked at; ${DEFAULT_NEWEST} when left out`,
      }),
    ),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 200, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    entries: t.array(
      t.object({
        command: t.string({ description: "? for a name that is none of Redis" }),
        durationMs: t.number({ description: "in the server, without network and waiting" }),
        secondsAgo: t.integer(),
        argumentCount: t.integer({ description: "without the command's own name" }),
        argumentBytes: t.integer({ description: "of those that the log has, 31 at most" }),
        largestArgumentBytes: t.integer(),
        client: t.string({ description: "address, as the server knew it" }),
        clientName: t.string({ description: "as the client calls itself" }),
      }),
    ),
    commands: t.array(
      t.object({
        command: t.string(),
        count: t.integer(),
        totalMs: t.number(),
        longestMs: t.number(),
      }),
      { description: "of the entries looked at, most time first" },
    ),
    lookedAtCount: t.integer(),
    entryCount: t.integer({ description: "that the server keeps now" }),
    mostEntries: t.nullable(t.integer(), {
      description: "that it keeps at most; older ones are gone",
    }),
    isOn: t.boolean(),
    thresholdMs: t.nullable(t.number(), {
      description: "shorter ones are not logged; null: none is, or not told",
    }),
    incomplete: t.boolean({ description: "there are more entries than were looked at" }),
  }),
  reads: {
    log: read(sources.slowest, { with: { newest: param("newest", DEFAULT_NEWEST) } }),
    count: sources.slowCount,
    threshold: read(sources.slowThreshold, { optional: true }),
    most: read(sources.slowMost, { optional: true }),
  },
  run({ params, reads: { log, count, threshold, most }, now }) {
    const entries = listOf(log.reply).map((entry) => readEntry(entry, now));
    const micros = numberSetting(threshold, "slowlog-log-slower-than");
    const entryCount = Number(count.reply);
    const newest = params.newest ?? DEFAULT_NEWEST;
    return {
      entries: entries
        .toSorted((a, b) => b.durationMs - a.durationMs)
        .slice(0, params.limit ?? DEFAULT_LIMIT),
      commands: sumUp(entries),
      lookedAtCount: entries.length,
      entryCount,
      mostEntries: numberSetting(most, "slowlog-max-len"),
      isOn: micros === null || micros >= 0,
      thresholdMs: micros === null || micros < 0 ? null : micros / 1000,
      // What was logged since is no part of this look.
      incomplete: log.truncated || (entries.length === newest && entries.length < entryCount),
    };
  },
});

function readEntry(entry: unknown, now: number) {
  const [, at, micros, given, client = "", clientName = ""] = Array.isArray(entry) ? entry : [];
  const [command, count, bytes, largest] = Array.isArray(given) ? given : [];
  if (typeof at !== "number" || typeof micros !== "number" || typeof command !== "string") {
    throw new Error("expected an entry of the slow log, got something else");
  }
  return {
    command,
    durationMs: micros / 1000,
    secondsAgo: secondsSince(at, now),
    argumentCount: Number(count),
    argumentBytes: Number(bytes),
    largestArgumentBytes: Number(largest),
    client: String(client),
    clientName: String(clientName),
  };
}

function sumUp(entries: readonly { command: string; durationMs: number }[]) {
  const sums = new Map<string, { count: number; totalMs: number; longestMs: number }>();
  for (const { command, durationMs } of entries) {
    const sum = sums.get(command) ?? { count: 0, totalMs: 0, longestMs: 0 };
    sums.set(command, {
      count: sum.count + 1,
      totalMs: sum.totalMs + durationMs,
      longestMs: Math.max(sum.longestMs, durationMs),
    });
  }
  return [...sums]
    .map(([command, sum]) => ({ command, ...sum, totalMs: roundTo(sum.totalMs, 3) }))
    .toSorted((a, b) => b.totalMs - a.totalMs);
}
