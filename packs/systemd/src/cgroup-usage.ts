import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { compareText, parseCounters } from "@sonde/pack-sdk/parse";
import { SLICES } from "./slices.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 20;
const SLICE = { with: { slice: param("slice", "system.slice") }, optional: true } as const;
const count = (description: string) => t.nullable(t.integer({ description }));
const stall = t.nullable(t.number());

export const cgroupUsage = probe({
  description:
    "What each unit of a slice uses: memory and its limit, tasks, CPU between two looks a second apart, and how much of " +
    "the last minute it waited for CPU, memory or I/O. null where the kernel does not tell.",
  params: t.object({
    slice: t.optional(t.enumOf(SLICES, { description: "system.slice when left out" })),
    sortBy: t.optional(
      t.enumOf(["memory", "cpu", "tasks", "pressure"], { description: "memory when left out" }),
    ),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    cgroupVersion: t.string({ description: "1, 2, or both in some way" }),
    unitCount: t.integer(),
    units: t.array(
      t.object({
        name: t.string(),
        memoryBytes: count("page cache included"),
        memoryLimitBytes: count("null without a limit too"),
        memoryUsedPercent: t.nullable(t.number({ description: "of the limit" })),
        oomKillCount: count("since the unit started"),
        taskCount: count("threads included"),
        cpuPercent: t.nullable(t.number({ description: "100 is one whole CPU" })),
        cpuStalledPercent: stall,
        memoryStalledPercent: stall,
        ioStalledPercent: stall,
      }),
    ),
    incomplete: t.boolean({ description: "a list was cut" }),
    unreadableCount: t.integer({ description: "units of which something could not be read" }),
  }),
  reads: {
    memory: read(sources.memory, SLICE),
    memoryMax: read(sources.memoryMax, SLICE),
    memoryEvents: read(sources.memoryEvents, SLICE),
    tasks: read(sources.tasks, SLICE),
    cpu: read(sources.cpu, SLICE),
    cpuPressure: read(sources.cpuPressure, SLICE),
    memoryPressure: read(sources.memoryPressure, SLICE),
    ioPressure: read(sources.ioPressure, SLICE),
    hybridCpu: read(sources.hybridCpu, SLICE),
    hybridCpuPressure: read(sources.hybridCpuPressure, SLICE),
    hybridMemoryPressure: read(sources.hybridMemoryPressure, SLICE),
    hybridIoPressure: read(sources.hybridIoPressure, SLICE),
    v1Memory: read(sources.v1Memory, SLICE),
    v1MemoryMax: read(sources.v1MemoryMax, SLICE),
    v1Tasks: read(sources.v1Tasks, SLICE),
    v1Cpu: read(sources.v1Cpu, SLICE),
    v1CpuTogether: read(sources.v1CpuTogether, SLICE),
  },
  run({ params, reads }) {
    const memory = collect(reads.memory, reads.v1Memory);
    const tasks = collect(reads.tasks, reads.v1Tasks);
    const cpu = measureCpu(reads.cpu, reads.hybridCpu, reads.v1Cpu, reads.v1CpuTogether);
    const limits = collect(reads.memoryMax, reads.v1MemoryMax);
    const events = collect(reads.memoryEvents);
    const cpuStalls = collect(reads.cpuPressure, reads.hybridCpuPressure);
    const memoryStalls = collect(reads.memoryPressure, reads.hybridMemoryPressure);
    const ioStalls = collect(reads.ioPressure, reads.hybridIoPressure);

    const names = [memory, tasks, cpu].flatMap(({ values }) => [...values.keys()]);
    const units = [...new Set(names)].map((name) => {
      const memoryBytes = parseWhole(memory.values.get(name));
      const memoryLimitBytes = parseWhole(limits.values.get(name));
      return {
        ...{ name, memoryBytes, memoryLimitBytes },
        memoryUsedPercent: shareOf(memoryBytes, memoryLimitBytes),
        oomKillCount: parseCounters(events.values.get(name) ?? "").get("oom_kill") ?? null,
        taskCount: parseWhole(tasks.values.get(name)),
        cpuPercent: cpu.values.get(name) ?? null,
        cpuStalledPercent: parseStall(cpuStalls.values.get(name)),
        memoryStalledPercent: parseStall(memoryStalls.values.get(name)),
        ioStalledPercent: parseStall(ioStalls.values.get(name)),
      };
    });
    const weigh = WEIGHTS[params.sortBy ?? "memory"];
    return {
      cgroupVersion: findVersion(reads.cpu, reads.hybridCpu, [reads.v1Memory, reads.v1Tasks]),
      unitCount: units.length,
      units: units
        .sort((a, b) => weigh(b) - weigh(a) || compareText(a.name, b.name))
        .slice(0, params.limit ?? DEFAULT_LIMIT),
      incomplete: [memory, tasks, cpu].some(({ truncated }) => truncated),
      unreadableCount: new Set([memory, tasks, cpu].flatMap(({ unreadable }) => unreadable)).size,
    };
  },
});

type Unit = {
  memoryBytes: number | null;
  taskCount: number | null;
  cpuPercent: number | null;
  cpuStalledPercent: number | null;
  memoryStalledPercent: number | null;
  ioStalledPercent: number | null;
};

const WEIGHTS = {
  memory: ({ memoryBytes }: Unit): number => memoryBytes ?? -1,
  cpu: ({ cpuPercent }: Unit): number => cpuPercent ?? -1,
  tasks: ({ taskCount }: Unit): number => taskCount ?? -1,
  pressure: (unit: Unit): number =>
    Math.max(
      unit.cpuStalledPercent ?? -1,
      unit.memoryStalledPercent ?? -1,
      unit.ioStalledPercent ?? -1,
    ),
};

type Entries = readonly { name: string; text?: string; failure?: unknown }[];
type Once = { ok: false } | { ok: true; entries: Entries; truncated: boolean };
type Look = { at: number; entries: Entries; truncated: boolean };
type Twice =
  | { ok: false; failure: { message: string } }
  | { ok: true; samples: readonly [Look, Look] };
/** What there is by the unit's name, and the units whose file could not be read. */
type Found<Value> = { values: Map<string, Value>; unreadable: string[]; truncated: boolean };

/** One file of each unit, from the trees that this host has. */
function collect(...trees: Once[]): Found<string> {
  const there = trees.flatMap((tree) => (tree.ok ? [tree] : []));
  return {
    values: new Map(there.flatMap(({ entries }) => textsOf(entries))),
    unreadable: there.flatMap(({ entries }) => failedOf(entries)),
    truncated: there.some(({ truncated }) => truncated),
  };
}

/** In percent of one CPU, from the first tree that this host has. */
function measureCpu(...trees: Twice[]): Found<number> {
  const [tree] = trees.flatMap((one) => (one.ok ? [one] : []));
  if (tree === undefined) return { values: new Map(), unreadable: [], truncated: false };
  const [before, after] = tree.samples;
  const elapsedMicros = Math.max(1, (after.at - before.at) * 1000);
  const earlier = new Map(textsOf(before.entries));
  return {
    values: new Map(
      textsOf(after.entries).flatMap(([name, text]): [string, number][] => {
        const [then, now] = [parseUsage(earlier.get(name)), parseUsage(text)];
        if (then === null || now === null) return [];
        return [[name, roundTenth((Math.max(0, now - then) / elapsedMicros) * 100)]];
      }),
    ),
    unreadable: failedOf(after.entries),
    truncated: before.truncated || after.truncated,
  };
}

function textsOf(entries: Entries): [string, string][] {
  return entries.flatMap(({ name, text }) => (text === undefined ? [] : [[name, text]]));
}

function failedOf(entries: Entries): string[] {
  return entries.flatMap(({ name, failure }) => (failure === undefined ? [] : [name]));
}

/** In µs. `cpuacct.usage` of version 1 is one number, in ns. */
function parseUsage(text: string | undefined): number | null {
  const nanos = parseWhole(text);
  if (nanos !== null) return nanos / 1000;
  return parseCounters(text ?? "").get("usage_usec") ?? null;
}

/** Null of `max`, and of a number above what JavaScript counts exactly: version 1 has no limit then. */
function parseWhole(text: string | undefined): number | null {
  const number = /^\d+\s*$/.test(text ?? "") ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number) ? number : null;
}

/** How much of the last 60 s some task waited. */
function parseStall(text: string | undefined): number | null {
  const [, percent] = /^some avg10=[\d.]+ avg60=([\d.]+) /.exec(text ?? "") ?? [];
  return percent === undefined ? null : Number(percent);
}

function shareOf(part: number | null, whole: number | null): number | null {
  return part === null || !whole ? null : roundTenth((part / whole) * 100);
}

function roundTenth(value: number): number {
  return Math.round(value * 10) / 10;
}

/** @throws Error when no tree of control groups has the slice */
function findVersion(whole: Twice, beside: Twice, first: Once[]): string {
  if (whole.ok) return "2";
  if (first.some(({ ok }) => ok)) return beside.ok ? "1 with 2 beside it" : "1";
  if (beside.ok) return "2 without controllers";
  throw new Error(`expected control groups of the slice, got none: ${whole.failure.message}`);
}
