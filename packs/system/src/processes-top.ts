import { type Look, probe, read, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import { TICKS_PER_SECOND, parseMemory, parsePageSize, percent, roundTenth } from "./parse-proc.ts";
import type { ProcessStat } from "./parse-process-stat.ts";
import { parseProgram } from "./parse-program.ts";
import { identify, parseProcesses, textByPid } from "./process-list.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 10;

const process = t.object({
  pid: t.integer(),
  name: t.string({
    description: "of its main thread; chosen by the process; at most 15 characters",
  }),
  program: t.nullable(t.string(), {
    description: "base name of the program, and of an interpreter's script; null when not readable",
  }),
  state: t.string({ description: "R running, S sleeping, D waiting for I/O, Z zombie, T stopped" }),
  parentPid: t.integer(),
  cpuPercent: t.number({ description: "of one CPU, between the two looks" }),
  residentBytes: t.nullable(t.integer(), { description: "null when the page size is not known" }),
  memoryPercent: t.nullable(t.number(), {
    description: "resident share of the host's total memory; null when that is not known",
  }),
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
    othersHidden: t.boolean({
      description: "the kernel hides other users' processes from the agent (hidepid of /proc)",
    }),
    incomplete: t.boolean({
      description: "there are more processes: hidden ones, or more than the read allows",
    }),
  }),
  reads: {
    processes: sources.processes,
    memory: sources.meminfo,
    pageSize: read(sources.pageSize, { optional: true }),
    commandLines: read(sources.commandLines, { optional: true }),
  },
  run({ params, reads }) {
    const [before, after] = reads.processes.samples;
    const memory = parseMemory(reads.memory.text);
    const pageBytes = reads.pageSize.ok ? parsePageSize(reads.pageSize.stdout) : null;
    const commands = textByPid(reads.commandLines.ok ? reads.commandLines.entries : []);
    const earlier = new Map(parseProcesses(before).map((stat) => [identify(stat), stat]));
    const now = parseProcesses(after);
    const othersHidden = after.othersHidden === true;
    const measuredMs = Math.max(1, Math.round(after.at - before.at));
    const measured = now.map((stat) => {
      // Absent from the first sample: the process started since, unless that sample was cut.
      const unknown = before.truncated ? stat.cpuTicks : 0;
      const ticks = stat.cpuTicks - (earlier.get(identify(stat))?.cpuTicks ?? unknown);
      const seconds = Math.max(0, ticks) / TICKS_PER_SECOND;
      return { ...stat, cpuPercent: roundTenth((seconds / (measuredMs / 1000)) * 100) };
    });
    const key = params.sortBy === "memory" ? "residentPages" : "cpuPercent";
    measured.sort((a, b) => b[key] - a[key] || b.residentPages - a.residentPages || a.pid - b.pid);
    return {
      measuredMs,
      processCount: now.length,
      countByState: countStates(now),
      processes: measured.slice(0, params.limit ?? DEFAULT_LIMIT).map((stat) => {
        const { pid, name, state, parentPid, cpuPercent, residentPages, threadCount } = stat;
        const residentBytes = pageBytes === null ? null : residentPages * pageBytes;
        // More than there is: the container's memory beside a process of the host.
        const isShare = residentBytes !== null && residentBytes <= memory.totalBytes;
        const memoryPercent = isShare ? percent(residentBytes, memory.totalBytes) : null;
        const program = parseProgram(commands.get(pid) ?? "");
        const use = { cpuPercent, residentBytes, memoryPercent };
        return { pid, name, program, state, parentPid, ...use, threadCount };
      }),
      unreadableCount: countUnreadable(after),
      othersHidden,
      incomplete: before.truncated || after.truncated || othersHidden,
    };
  },
});

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
