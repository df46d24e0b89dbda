import type { GuestInput } from "@sonde/pack-sdk/author";
import { expect, test } from "vitest";
import { bootSlow } from "./boot-slow.ts";
import { cgroupUsage } from "./cgroup-usage.ts";
import { listOf, parseUnits, timeOf } from "./parse-units.ts";
import { timers } from "./timers.ts";
import { unitRestarts } from "./unit-restarts.ts";
import { unitStatus } from "./unit-status.ts";
import { units } from "./units.ts";

const MINUTE_MICROS = 60_000_000;

const printed = (stdout: string, truncated = false) => ({
  ok: true as const,
  samples: [{ at: 0, truncated, data: { stdout, stderr: "", exitCode: 0 } }],
});
const failed = { ok: false as const, failure: { code: "SOURCE_NOT_FOUND", message: "no such" } };
const input = (reads: GuestInput["reads"], params = {}, now = 0): GuestInput => ({
  ...{ params, reads, now },
});

test("a unit that a cap cut short is left out, and one without a name is counted", () => {
  const stdout = "Id=a.service\nNRestarts=1\n\nNRestarts=2\n\nId=b.service\nNRes";
  const cut = parseUnits({ stdout, truncated: true });
  expect(cut.units.map((unit) => unit.get("Id"))).toEqual(["a.service"]);
  expect(cut).toMatchObject({ incomplete: true, unreadableCount: 1 });
  expect(parseUnits({ stdout: "", truncated: false })).toEqual({
    ...{ units: [], incomplete: false, unreadableCount: 0 },
  });
});

test("quoted words of a list, and times that have not come", () => {
  const unit = new Map([
    ["After", String.raw`"run-x\\x2dy.mount" a.target "/etc/a b.conf" "say \"x\""`],
    ["Never", "n/a"],
    ["At", "Sun 2026-11-29 07:16:31 UTC"],
    ["Local", "Sun 2026-11-29 07:16:31 CET"],
  ]);
  expect(listOf(unit, "After")).toEqual([
    ...[String.raw`run-x\x2dy.mount`, "a.target", "/etc/a b.conf", 'say "x"'],
  ]);
  expect(listOf(unit, "Before")).toEqual([]);
  expect(timeOf(unit, "At")).toBe("2026-11-29T07:16:31Z");
  expect([timeOf(unit, "Never"), timeOf(unit, "Local"), timeOf(unit, "No")]).toEqual([
    ...[null, null, null],
  ]);
});

test("a list that was cut is read as far as it goes, and the worst is first", () => {
  const rows = [
    { unit: "b.service", load: "loaded", active: "inactive", sub: "dead", description: "" },
    {
      unit: "a.mount",
      load: "loaded",
      active: "active",
      sub: "mounted",
      description: '},{"unit":',
    },
    { unit: "c.service", load: "bad-setting", active: "inactive", sub: "dead", description: "" },
    { unit: "d.service", load: "loaded", active: "activating", sub: "start", description: "" },
    { unit: "e.service", load: "loaded", active: "failed", sub: "failed", description: "" },
  ];
  const whole = JSON.stringify(rows);
  const ask = (list: GuestInput["reads"][string], params = {}) =>
    units.call(input({ list }, params)) as { units: { name: string }[] };
  const names = (answer: { units: { name: string }[] }) => answer.units.map(({ name }) => name);
  expect(names(ask(printed(whole)))).toEqual([
    ...["c.service", "e.service", "d.service", "a.mount", "b.service"],
  ]);
  const cut = ask(printed(whole.slice(0, -5), true));
  expect(names(cut)).toEqual(["c.service", "d.service", "a.mount", "b.service"]);
  expect(cut).toMatchObject({ incomplete: true, countByState: { inactive: 2, activating: 1 } });
  expect(ask(printed(whole.slice(0, 20), true))).toMatchObject({ unitCount: 0, incomplete: true });
  expect(names(ask(printed(whole), { state: "inactive", type: "service" }))).toEqual([
    ...["c.service", "b.service"],
  ]);
});

test("a timer is late when its run is due and nothing runs; never is no time", () => {
  const now = 1_000_000_000_000;
  const at = (minutes: number) => now * 1000 + minutes * MINUTE_MICROS;
  const list = [
    { next: at(5), last: at(-60), unit: "fine.timer", activates: "fine.service" },
    { next: at(-5), last: at(-60), unit: "late.timer", activates: "late.service" },
    { next: at(-5), last: at(-60), unit: "runs.timer", activates: "runs.service" },
    { next: 2 ** 64, last: 0, unit: "never.timer", activates: "never.service" },
    { next: null, last: at(-60), unit: "bad.timer", activates: "bad.service" },
    { next: at(1), last: at(-60), unit: "other.timer", activates: "other.target" },
  ];
  const service = (name: string, state: string, result: string) =>
    `Id=${name}.service\nSubState=${state}\nResult=${result}\nExecMainCode=1\nExecMainStatus=2\n\n`;
  const services = printed(
    service("fine", "dead", "success") +
      service("late", "dead", "success") +
      service("runs", "start", "success") +
      service("never", "dead", "success") +
      service("bad", "failed", "exit-code"),
  );
  const reads = { list: printed(JSON.stringify(list)), services };
  expect(timers.call(input(reads, {}, now))).toMatchObject({
    timers: [
      { name: "bad.timer", nextAt: null, lastResult: "exit-code", end: "exit code 2" },
      { name: "late.timer", isLate: true, isRunning: false },
      { name: "runs.timer", isLate: false, isRunning: true },
      { name: "other.timer", starts: "other.target", lastResult: null, isRunning: null },
      { name: "fine.timer", isLate: false, nextAt: new Date(now + 300_000).toISOString() },
      { name: "never.timer", lastAt: null, nextAt: null, lastResult: null },
    ],
    incomplete: false,
  });
  const without = { ...reads, services: failed };
  expect(timers.call(input(without, {}, now))).toMatchObject({ timerCount: 6, incomplete: true });
});

test("how a program ended is said though it runs again at the second look", () => {
  const look = (at: number, unit: string) => ({
    ...{ at, truncated: false, data: { stdout: `Id=a.service\n${unit}`, stderr: "", exitCode: 0 } },
  });
  const ended = "NRestarts=4\nExecMainCode=1\nExecMainStatus=7\n";
  const runs = "NRestarts=5\nExecMainCode=0\nExecMainStatus=0\n";
  const end = (before: string, after: string) => {
    const services = { ok: true as const, samples: [look(0, before), look(2000, after)] };
    return unitRestarts.call(input({ services }));
  };
  expect(end(ended, runs)).toMatchObject({
    services: [{ name: "a.service", restartsMeanwhile: 1, restartCount: 5, end: "exit code 7" }],
  });
  expect(end(runs, runs)).toMatchObject({ services: [{ restartsMeanwhile: 0, end: null }] });
});

test("the number of a job is no unit", () => {
  const status = (stdout: string) => unitStatus.call(input({ unit: printed(stdout) }));
  expect(() => status("Id=12\nActiveState=active\n")).toThrow("the name of a unit");
  expect(() => status("")).toThrow("one unit");
});

const bootOf = (manager: string, all: string) =>
  bootSlow.call(
    input({
      ...{ manager: printed(manager), units: printed(all) },
      target: printed("Id=graphical.target\n"),
    }),
  );

test("the chain goes back over what was active last, and what started later is not part of it", () => {
  const unit = (id: string, began: number, active: number, after: string) =>
    `Id=${id}\nInactiveExitTimestampMonotonic=${began}\nActiveEnterTimestampMonotonic=${active}\nAfter=${after}\n\n`;
  const all =
    unit("graphical.target", 9_000_000, 9_000_000, "slow.service quick.service later.service") +
    unit("slow.service", 2_000_000, 8_000_000, "base.target") +
    unit("quick.service", 2_000_000, 2_100_000, "") +
    unit("base.target", 1_900_000, 1_900_000, "slow.service") +
    unit("later.service", 60_000_000, 70_000_000, "");
  const manager =
    "UserspaceTimestampMonotonic=1000000\nFinishTimestampMonotonic=10000000\nSystemState=running\n" +
    "InitRDTimestampMonotonic=400000\nFirmwareTimestampMonotonic=5000000\nLoaderTimestampMonotonic=2000000\n";
  expect(bootOf(manager, all)).toEqual({
    ...{ systemState: "running", isFinished: true, userspaceMs: 9000, kernelMs: 400 },
    ...{ initrdMs: 600, firmwareMs: 3000, loaderMs: 2000, startedCount: 2, incomplete: false },
    slowest: [
      { name: "slow.service", startedAtMs: 1000, tookMs: 6000 },
      { name: "quick.service", startedAtMs: 1000, tookMs: 100 },
    ],
    chain: [
      { name: "base.target", activeAtMs: 900, tookMs: 0 },
      { name: "slow.service", activeAtMs: 7000, tookMs: 6000 },
      { name: "graphical.target", activeAtMs: 8000, tookMs: 0 },
    ],
  });
});

test("a host that still boots, and a container, have no times that they cannot know", () => {
  const manager =
    "UserspaceTimestampMonotonic=1000000\nFinishTimestampMonotonic=0\nVirtualization=systemd-nspawn\n";
  expect(bootOf(manager, "")).toMatchObject({
    ...{ isFinished: false, userspaceMs: null, kernelMs: null, initrdMs: null, firmwareMs: null },
    ...{ loaderMs: null, chain: [], slowest: [] },
  });
});

type Entry = { name: string; text?: string; failure?: { code: string; message: string } };
const files = (...entries: Entry[]) => ({
  ok: true as const,
  samples: [{ at: 0, truncated: false, data: { entries } }],
});
const twice = (before: Entry[], after: Entry[]) => ({
  ok: true as const,
  samples: [
    { at: 1000, truncated: false, data: { entries: before } },
    { at: 2000, truncated: false, data: { entries: after } },
  ],
});
const noGroups = Object.fromEntries(
  [
    ...["memory", "memoryMax", "memoryEvents", "tasks", "cpu", "cpuPressure", "memoryPressure"],
    ...["ioPressure", "hybridCpu", "hybridCpuPressure", "hybridMemoryPressure"],
    ...["hybridIoPressure", "v1Memory", "v1MemoryMax", "v1Tasks", "v1Cpu", "v1CpuTogether"],
  ].map((name) => [name, failed]),
);

test("control groups of version 1: a limit that is none, CPU in nanoseconds, a file that may not be read", () => {
  const denied = { code: "PERMISSION_NEEDED", message: "may not be read" };
  const reads = {
    ...noGroups,
    v1Memory: files({ name: "a.service", text: "2048\n" }, { name: "b.service", failure: denied }),
    v1MemoryMax: files({ name: "a.service", text: "9223372036854771712\n" }),
    v1Tasks: files({ name: "a.service", text: "3\n" }, { name: "b.service", text: "1\n" }),
    v1CpuTogether: twice(
      [{ name: "a.service", text: "1000000000\n" }],
      [{ name: "a.service", text: "1500000000\n" }],
    ),
  };
  expect(cgroupUsage.call(input(reads))).toMatchObject({
    ...{ cgroupVersion: "1", unitCount: 2, unreadableCount: 1, incomplete: false },
    units: [
      {
        ...{ name: "a.service", memoryBytes: 2048, memoryLimitBytes: null, taskCount: 3 },
        ...{ memoryUsedPercent: null, cpuPercent: 50, cpuStalledPercent: null },
      },
      { name: "b.service", memoryBytes: null, taskCount: 1, cpuPercent: null },
    ],
  });
});

test("a slice that no tree has is a failure, and one without units is empty", () => {
  expect(() => cgroupUsage.call(input(noGroups))).toThrow("got none: no such");
  const reads = { ...noGroups, cpu: twice([], []) };
  expect(cgroupUsage.call(input(reads))).toMatchObject({ cgroupVersion: "2", units: [] });
});
