import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { parseFields, splitLines, splitWords } from "@sonde/pack-sdk/parse";
import { TICKS_PER_SECOND, roundTenth } from "./parse-proc.ts";
import { parseProcessStat } from "./parse-process-stat.ts";
import { parseProgram } from "./parse-program.ts";
import * as sources from "./sources.ts";

const pid = { with: { pid: param("pid") }, optional: true } as const;

const detail = t.object({
  name: t.string(),
  program: t.nullable(t.string()),
  state: t.string(),
  parentPid: t.integer(),
  userId: t.nullable(t.integer({ description: "effective" })),
  startedAt: t.nullable(t.string({ description: "ISO 8601, UTC" })),
  cpuPercent: t.nullable(t.number({ description: "of one CPU, between two looks a second apart" })),
  cpuSeconds: t.number({ description: "since it started" }),
  threadCount: t.integer(),
  residentBytes: t.nullable(t.integer()),
  peakResidentBytes: t.nullable(t.integer()),
  swappedBytes: t.nullable(t.integer()),
  openFilesLimit: t.nullable(t.integer(), { description: "soft; null when unlimited" }),
  processesLimit: t.nullable(t.integer(), { description: "soft; null when unlimited" }),
  cgroup: t.nullable(t.string({ description: "its systemd unit is the last part" })),
  waitsIn: t.nullable(t.string({ description: "kernel function" })),
  voluntarySwitchCount: t.nullable(t.integer()),
  involuntarySwitchCount: t.nullable(t.integer()),
});

export const processDetail = probe({
  description:
    "One process by its id: program, state, user, start, CPU and memory, limits, control group and what it " +
    "waits in. Find ids with system_processes_top. Its open files, arguments and environment are never read.",
  params: t.object({ pid: t.integer({ minimum: 1, maximum: 4194304 }) }),
  result: t.object({
    found: t.boolean({
      description: "false when there is no such process, or the kernel hides it",
    }),
    process: t.nullable(detail),
  }),
  reads: {
    looks: read(sources.processLooks, pid),
    status: read(sources.processStatus, pid),
    limits: read(sources.processLimits, pid),
    cgroup: read(sources.processCgroup, pid),
    waits: read(sources.processWaits, pid),
    command: read(sources.processCommand, pid),
    uptime: sources.uptime,
  },
  run({ reads }) {
    if (!reads.looks.ok) {
      if (reads.looks.failure.code === "SOURCE_NOT_FOUND") return { found: false, process: null };
      throw new Error(reads.looks.failure.message);
    }
    const [before, after] = reads.looks.samples;
    const then = parseProcessStat(before.text);
    const now = parseProcessStat(after.text);
    if (now === undefined) return { found: false, process: null };
    const status = parseFields(reads.status.ok ? reads.status.text : "", ":");
    const kilobytes = (name: string): number | null => {
      const found = /^(\d+) kB$/.exec(status.get(name) ?? "");
      return found === null ? null : Number(found[1]) * 1024;
    };
    const count = (name: string): number | null => {
      const value = status.get(name);
      return value === undefined ? null : Number(splitWords(value)[0]);
    };
    const limit = (name: string): number | null =>
      reads.limits.ok ? findSoftLimit(reads.limits.text, name) : null;
    const isSame = then !== undefined && then.startTicks === now.startTicks;
    const seconds = Math.max(0.001, (after.at - before.at) / 1000);
    const spent = isSame ? Math.max(0, now.cpuTicks - then.cpuTicks) / TICKS_PER_SECOND : 0;
    const uptime = Number(splitWords(reads.uptime.text)[0]);
    const age = uptime - now.startTicks / TICKS_PER_SECOND;
    return {
      found: true,
      process: {
        ...{ name: now.name, state: now.state, parentPid: now.parentPid },
        program: parseProgram(reads.command.ok ? reads.command.text : ""),
        userId: userIdOf(status.get("Uid")),
        // In some containers the uptime is the container's and the start is the host's.
        startedAt:
          age < 0 ? null : new Date(Math.round(reads.uptime.at - age * 1000)).toISOString(),
        cpuPercent: isSame ? roundTenth((spent / seconds) * 100) : null,
        cpuSeconds: now.cpuTicks / TICKS_PER_SECOND,
        threadCount: now.threadCount,
        residentBytes: kilobytes("VmRSS"),
        peakResidentBytes: kilobytes("VmHWM"),
        swappedBytes: kilobytes("VmSwap"),
        openFilesLimit: limit("Max open files"),
        processesLimit: limit("Max processes"),
        cgroup: reads.cgroup.ok ? findCgroup(reads.cgroup.text) : null,
        waitsIn: reads.waits.ok && !/^0?$/.test(reads.waits.text) ? reads.waits.text : null,
        voluntarySwitchCount: count("voluntary_ctxt_switches"),
        involuntarySwitchCount: count("nonvoluntary_ctxt_switches"),
      },
    };
  },
});

/** The second of real, effective, saved and filesystem id; proc_pid_status(5). */
function userIdOf(uids: string | undefined): number | null {
  const effective = splitWords(uids ?? "")[1];
  return effective === undefined ? null : Number(effective);
}

/** Null when it is unlimited, or the file does not tell. */
function findSoftLimit(text: string, name: string): number | null {
  const line = splitLines(text).find((candidate) => candidate.startsWith(`${name} `));
  const soft = splitWords((line ?? "").slice(name.length))[0];
  return soft !== undefined && /^\d+$/.test(soft) ? Number(soft) : null;
}

/** The path in the unified hierarchy, else that of systemd; cgroups(7). */
function findCgroup(text: string): string | null {
  const lines = splitLines(text);
  const line =
    lines.find((candidate) => candidate.startsWith("0::") && candidate !== "0::/") ??
    lines.find((candidate) => candidate.includes(":name=systemd:")) ??
    lines.find((candidate) => candidate.startsWith("0::"));
  return line?.replace(/^\d+:[^:]*:/, "") ?? null;
}
