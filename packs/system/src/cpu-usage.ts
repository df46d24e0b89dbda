import { type Look, probe, read, t } from "@sonde/pack-sdk/author";
import { compareText, parseCounters, splitLines, splitWords } from "@sonde/pack-sdk/parse";
import { percent, roundTenth } from "./parse-proc.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 8;

const shares = {
  busyPercent: t.number({ description: "all but idle and waiting for I/O" }),
  userPercent: t.number({ description: "programs, niced ones included" }),
  systemPercent: t.number(),
  interruptPercent: t.number(),
  ioWaitPercent: t.number(),
  stealPercent: t.number({ description: "taken by the hypervisor for others" }),
  idlePercent: t.number(),
};

export const cpuUsage = probe({
  description:
    "CPU use between two looks a second apart, by state, of the whole host and of its busiest CPUs. High " +
    "steal means an overcommitted hypervisor, high ioWait slow storage. throttled lists top-level control " +
    "groups that were stopped by their CPU quota meanwhile; null where the kernel does not tell.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 256, description: `CPUs; ${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    measuredMs: t.integer(),
    cpuCount: t.integer(),
    total: t.object(shares),
    busiest: t.array(t.object({ cpu: t.integer(), ...shares })),
    contextSwitchesPerSecond: t.number(),
    processesStartedPerSecond: t.number(),
    throttled: t.nullable(
      t.array(
        t.object({
          cgroup: t.string(),
          throttledMs: t.integer({ description: "of all its CPUs together" }),
          throttledPeriodsPercent: t.number(),
        }),
      ),
    ),
  }),
  reads: {
    cpu: sources.cpuLooks,
    cgroups: read(sources.cgroupCpuLooks, { optional: true }),
  },
  run({ params, reads }) {
    const [before, after] = reads.cpu.samples;
    const seconds = Math.max(0.001, (after.at - before.at) / 1000);
    const earlier = parseCpus(before.text);
    const cpus = [...parseCpus(after.text)].flatMap(([name, now]) => {
      const then = earlier.get(name);
      return then === undefined ? [] : [{ name, ...describeShares(then, now) }];
    });
    const counted = (name: string): number =>
      perSecond(findCounter(before.text, name), findCounter(after.text, name), seconds);
    const each = cpus
      .filter(({ name }) => name !== "cpu")
      .map(({ name, ...rest }) => ({ cpu: Number(name.slice(3)), ...rest }))
      .sort((a, b) => b.busyPercent - a.busyPercent || a.cpu - b.cpu);
    const [total] = cpus.filter(({ name }) => name === "cpu");
    if (total === undefined) throw new Error("expected a line cpu in /proc/stat, got none");
    const { name: _, ...of } = total;
    return {
      measuredMs: Math.round(after.at - before.at),
      cpuCount: each.length,
      total: of,
      busiest: each.slice(0, params.limit ?? DEFAULT_LIMIT),
      contextSwitchesPerSecond: counted("ctxt"),
      processesStartedPerSecond: counted("processes"),
      throttled: reads.cgroups.ok ? findThrottled(reads.cgroups.samples) : null,
    };
  },
});

/** Ticks by state, in the order of the line; proc_stat(5). */
function parseCpus(text: string): Map<string, number[]> {
  const cpus = new Map<string, number[]>();
  for (const line of splitLines(text)) {
    const [name = "", ...ticks] = splitWords(line);
    if (/^cpu\d*$/.test(name)) cpus.set(name, ticks.map(Number));
  }
  return cpus;
}

/** Time of guests is part of user and nice. A counter that went back counts as unchanged. */
function describeShares(then: readonly number[], now: readonly number[]) {
  const spent = now.slice(0, 8).map((ticks, index) => Math.max(0, ticks - (then[index] ?? 0)));
  const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0, irq = 0, softIrq = 0, steal = 0] =
    spent;
  const all = spent.reduce((total, ticks) => total + ticks, 0);
  return {
    busyPercent: percent(all - idle - ioWait, all),
    userPercent: percent(user + nice, all),
    systemPercent: percent(system, all),
    interruptPercent: percent(irq + softIrq, all),
    ioWaitPercent: percent(ioWait, all),
    stealPercent: percent(steal, all),
    idlePercent: percent(idle, all),
  };
}

function findCounter(text: string, name: string): number {
  return parseCounters(text).get(name) ?? 0;
}

function perSecond(before: number, after: number, seconds: number): number {
  return roundTenth(Math.max(0, after - before) / seconds);
}

/** Null when no group tells of a quota, as with cgroup v1. */
function findThrottled(samples: readonly [Look<"directory">, Look<"directory">]) {
  const [before, after] = samples.map(
    ({ entries }) => new Map(entries.map(({ name, text }) => [name, parseCounters(text ?? "")])),
  );
  const telling = [...(after ?? [])].filter(([, counters]) => counters.has("nr_throttled"));
  if (telling.length === 0) return null;
  return telling
    .flatMap(([cgroup, now]) => {
      const then = before?.get(cgroup);
      const grown = (name: string): number =>
        Math.max(0, (now.get(name) ?? 0) - (then?.get(name) ?? 0));
      if (then === undefined || grown("nr_throttled") === 0) return [];
      return {
        cgroup,
        throttledMs: Math.round(grown("throttled_usec") / 1000),
        throttledPeriodsPercent: percent(grown("nr_throttled"), grown("nr_periods")),
      };
    })
    .sort((a, b) => b.throttledMs - a.throttledMs || compareText(a.cgroup, b.cgroup));
}
