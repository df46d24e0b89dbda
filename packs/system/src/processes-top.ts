import { type Look, probe, t } from "@sonde/pack-sdk/author";
import { compareText, parseCounters } from "@sonde/pack-sdk/parse";
import { parseMemory, percent, roundTenth } from "./parse-proc.ts";
import { parseProcessStat, type ProcessStat } from "./parse-process-stat.ts";
import * as sources from "./sources.ts";

/** USER_HZ: the unit of times in /proc, 100 on every current Linux architecture. */
const TICKS_PER_SECOND = 100;
const DEFAULT_LIMIT = 10;

const process = t.object({
  pid: t.integer(),
  name: t.string({ description: "chosen by the process itself; at most 15 characters" }),
  state: t.string({ description: "R running, S sleeping, D waiting for I/O, Z zombie, T stopped" }),
  parentPid: t.integer(),
  cpuPercent: t.number({ description: "of one CPU, between the two looks" }),
  residentBytes: t.integer(),
  memoryPercent: t.number({ description: "resident share of physical memory" }),
  threadCount: t.integer(),
});

export const processesTop = probe({
  description:
    "The processes that use the most CPU or memory now. CPU is measured between two looks half a second " +
    "apart, so short spikes show and long-past use does not. Also counts processes by state: many in D " +
    "point at slow storage, any Z at a parent that does not reap.",
  params: t.object({
    sortBy: t.optional(t.enumOf(["cpu", "memory"], { description: "cpu when left out" })),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 50, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    measuredMs: t.integer({ description: "time between the two looks" }),
    processCount: t.integer(),
    countByState: t.record(t.integer(), { maxProperties: 20 }),
    processes: t.array(process),
    unreadableCount: t.integer({ description: "processes that could not be looked at" }),
    incomplete: t.boolean({ description: "there were more processes than the read allows" }),
  }),
  reads: { processes: sources.processes, memory: sources.meminfo, pages: sources.vmstat },
  run({ params, reads }) {
    const [before, after] = reads.processes.samples;
    const memory = parseMemory(reads.memory.text);
    const pageBytes = findPageBytes(memory.bytes("MemFree") ?? 0, parseCounters(reads.pages.text));
    const earlier = new Map(parseAll(before).map((stat) => [identify(stat), stat]));
    const now = parseAll(after);
    const measuredMs = Math.max(1, Math.round(after.at - before.at));
    const described = now.map((stat) => {
      // Absent from the first sample: the process started since, unless that sample was cut.
      const unknown = before.truncated ? stat.cpuTicks : 0;
      const ticks = stat.cpuTicks - (earlier.get(identify(stat))?.cpuTicks ?? unknown);
      const residentBytes = stat.residentPages * pageBytes;
      return {
        pid: stat.pid,
        name: stat.name,
        state: stat.state,
        parentPid: stat.parentPid,
        cpuPercent: roundTenth((Math.max(0, ticks) / TICKS_PER_SECOND / (measuredMs / 1000)) * 100),
        residentBytes,
        memoryPercent: percent(residentBytes, memory.totalBytes),
        threadCount: stat.threadCount,
      };
    });
    const key = params.sortBy === "memory" ? "residentBytes" : "cpuPercent";
    described.sort((a, b) => b[key] - a[key] || b.residentBytes - a.residentBytes || a.pid - b.pid);
    return {
      measuredMs,
      processCount: now.length,
      countByState: countStates(now),
      processes: described.slice(0, params.limit ?? DEFAULT_LIMIT),
      unreadableCount: countUnreadable(after),
      incomplete: before.truncated || after.truncated,
    };
  },
});

function parseAll(look: Look<"directory">): ProcessStat[] {
  return look.entries
    .map((entry) => parseProcessStat(entry.text ?? ""))
    .filter((stat) => stat !== undefined);
}

/** A pid can be reused between the samples. The start time tells the processes apart. */
function identify({ pid, startTicks }: ProcessStat): string {
  return `${pid} ${startTicks}`;
}

function countStates(stats: readonly ProcessStat[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { state } of stats) counts.set(state, (counts.get(state) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => compareText(a, b)));
}

/** A process that ended between listing and reading counts as ended, not as unreadable. */
function countUnreadable(look: Look<"directory">): number {
  return look.entries.filter(
    ({ failure }) => failure !== undefined && failure.code !== "SOURCE_NOT_FOUND",
  ).length;
}

/**
 * The page size, which /proc does not state. Free memory is reported both in kB and in pages. The
 * two are read at slightly different times, so the quotient is rounded to a power of two.
 */
function findPageBytes(freeBytes: number, vmstat: ReadonlyMap<string, number>): number {
  const pages = vmstat.get("nr_free_pages");
  if (pages === undefined || pages === 0) return 4096;
  return 2 ** Math.round(Math.log2(freeBytes / pages));
}
