import { probe, read, t } from "@sonde/pack-sdk/author";
import { parseCounters } from "@sonde/pack-sdk/parse";
import { parseLast, type Row } from "./parse-last.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 20;

export const boots = probe({
  description:
    "When the host booted, the newest first, with which kernel, and how each run ended: shutdown, or without one, " +
    "which is a crash or a power cut. Counts those.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 200, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    kernelBootedAt: t.string({ description: "ISO 8601, UTC; in a container that of its host" }),
    bootCount: t.nullable(t.integer({ description: "recorded; null when that could not be read" })),
    withoutShutdownCount: t.nullable(t.integer()),
    boots: t.nullable(
      t.array(
        t.object({
          bootedAt: t.string(),
          kernel: t.nullable(t.string()),
          end: t.string({ description: "running, shutdown, or no shutdown" }),
          endedAt: t.nullable(t.string({ description: "null without a shutdown" })),
        }),
      ),
    ),
    recordedSince: t.nullable(t.string()),
    incomplete: t.boolean({ description: "older boots were left out of the read" }),
    unreadableCount: t.integer(),
  }),
  reads: { cpu: sources.cpu, sessions: read(sources.sessions, { optional: true }) },
  run({ params, reads }) {
    const bootSeconds = parseCounters(reads.cpu.text).get("btime");
    if (bootSeconds === undefined) throw new Error("expected a line btime in /proc/stat, got none");
    const kernelBootedAt = new Date(bootSeconds * 1000).toISOString();
    if (!reads.sessions.ok) {
      return {
        ...{ kernelBootedAt, bootCount: null, withoutShutdownCount: null, boots: null },
        ...{ recordedSince: null, incomplete: true, unreadableCount: 0 },
      };
    }
    const { rows, since, unreadableCount, isFull } = parseLast(reads.sessions);
    const found = describeBoots(rows);
    return {
      kernelBootedAt,
      bootCount: found.length,
      withoutShutdownCount: found.filter(({ end }) => end === "no shutdown").length,
      boots: found.slice(0, params.limit ?? DEFAULT_LIMIT),
      recordedSince: since,
      incomplete: isFull,
      unreadableCount,
    };
  },
});

/** A boot was shut down when that is what came next. `last` shows the next shutdown, after whatever. */
function describeBoots(rows: readonly Row[]) {
  const events = rows.filter(({ name, line }) => BOOTS.has(`${name} ${line}`));
  return events.flatMap(({ name, from, host }, index) => {
    if (name !== "reboot") return [];
    const next = events[index - 1];
    const isShutdown = next?.name === "shutdown";
    return [
      {
        bootedAt: from,
        kernel: host === "" ? null : host,
        end: next === undefined ? "running" : isShutdown ? "shutdown" : "no shutdown",
        endedAt: isShutdown ? next.from : null,
      },
    ];
  });
}

const BOOTS = new Set(["reboot system boot", "shutdown system down"]);
