import { probe, read, t } from "@sonde/pack-sdk/author";
import { parseNumber } from "@sonde/pack-sdk/parse";
import {
  type Info,
  countOf,
  listOf,
  numberOf,
  numberSetting,
  parseInfo,
  parsePairs,
  percentOf,
  roundTo,
  secondsSince,
} from "./show.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 15;

export const latency = probe({
  description:
    "What makes a Redis server slow: spikes by what caused them (a command, fork, disk, expiry, eviction), the worst first, the last fork, and on which " +
    "commands it spends its time, with calls, average, p50 and p99, failed and rejected ones.",
  params: t.object({
    limit: t.optional(
      t.integer({
        minimum: 1,
        maximum: 200,
        description: `commands; ${DEFAULT_LIMIT} when left out`,
      }),
    ),
  }),
  result: t.object({
    isMonitored: t.boolean({ description: "false: the server notes no spikes" }),
    thresholdMs: t.nullable(t.integer(), { description: "shorter spikes are not noted" }),
    events: t.array(
      t.object({
        event: t.string({
          description: "command, fast-command, fork, aof-write, expire-cycle ...",
        }),
        lastMs: t.integer(),
        lastSecondsAgo: t.integer(),
        longestMs: t.integer(),
      }),
      { description: "the longest first" },
    ),
    lastForkMs: t.number({ description: "the server stood still that long; 0: there was none" }),
    commands: t.array(
      t.object({
        command: t.string(),
        calls: t.integer(),
        totalMs: t.number(),
        timePercent: t.number({ description: "of the time of all commands" }),
        averageMs: t.number(),
        p50Ms: t.nullable(t.number(), { description: "null: of a release before 7.0" }),
        p99Ms: t.nullable(t.number()),
        failedCalls: t.nullable(t.integer(), { description: "null: of a release before 6.2" }),
        rejectedCalls: t.nullable(t.integer()),
      }),
      { description: "since the server started or its counters were reset; most time first" },
    ),
    commandCount: t.integer({ description: "before the limit" }),
    incomplete: t.boolean({ description: "something could not be read" }),
  }),
  reads: {
    spikes: sources.latest,
    threshold: read(sources.latencyThreshold, { optional: true }),
    statistics: sources.statistics,
    calls: sources.commandInfo,
    percentiles: read(sources.percentiles, { optional: true }),
  },
  run({ params, reads: { spikes, threshold, statistics, calls, percentiles }, now }) {
    const thresholdMs = numberSetting(threshold, "latency-monitor-threshold");
    const events = listOf(spikes.reply).map((event) => readEvent(event, now));
    const commands = readCommands(
      parseInfo(calls),
      percentiles.ok ? parseInfo(percentiles) : new Map(),
    );
    const forkMicros = countOf(parseInfo(statistics), "latest_fork_usec");
    return {
      isMonitored: thresholdMs === null ? events.length > 0 : thresholdMs > 0,
      thresholdMs: thresholdMs === 0 ? null : thresholdMs,
      events: events.toSorted((a, b) => b.longestMs - a.longestMs),
      lastForkMs: forkMicros / 1000,
      commands: commands.slice(0, params.limit ?? DEFAULT_LIMIT),
      commandCount: commands.length,
      incomplete: spikes.truncated || calls.truncated || !threshold.ok || !percentiles.ok,
    };
  },
});

function readEvent(event: unknown, now: number) {
  const [name, at, last, longest] = Array.isArray(event) ? event : [];
  if (typeof name !== "string" || typeof at !== "number" || typeof longest !== "number") {
    throw new Error("expected an event of LATENCY LATEST, got something else");
  }
  return {
    event: name,
    lastMs: Number(last),
    lastSecondsAgo: secondsSince(at, now),
    longestMs: longest,
  };
}

const CALLS = "cmdstat_";
const PERCENTILES = "latency_percentiles_usec_";

function readCommands(calls: Info, percentiles: Info) {
  const counted = [...calls].flatMap(([name, text]) => {
    if (!name.startsWith(CALLS)) return [];
    const command = name.slice(CALLS.length);
    const pairs = parsePairs(text);
    const times = parsePairs(percentiles.get(`${PERCENTILES}${command}`) ?? "");
    return [{ command, pairs, times, micros: countOf(pairs, "usec") }];
  });
  const all = counted.reduce((sum, { micros }) => sum + micros, 0);
  return counted
    .toSorted((a, b) => b.micros - a.micros)
    .map(({ command, pairs, times, micros }) => ({
      command: command.replace("|", " "),
      calls: countOf(pairs, "calls"),
      totalMs: micros / 1000,
      timePercent: percentOf(micros, all),
      averageMs: roundTo(parseNumber(pairs.get("usec_per_call"), "usec_per_call") / 1000, 3),
      p50Ms: toMs(numberOf(times, "p50")),
      p99Ms: toMs(numberOf(times, "p99")),
      failedCalls: numberOf(pairs, "failed_calls"),
      rejectedCalls: numberOf(pairs, "rejected_calls"),
    }));
}

const toMs = (micros: number | null): number | null =>
  micros === null ? null : roundTo(micros / 1000, 3);
