import { fileURLToPath } from "node:url";
import { openRunbookTest, readFixtures } from "@sonde/pack-sdk/testing";
import { expect, test } from "vitest";
import pack from "./pack.ts";

type Fields = Record<string, unknown>;

const GIB = 2 ** 30;
const fixtures = await readFixtures(fileURLToPath(new URL("..", import.meta.url)));

/** A recorded answer of the probe. */
function recorded(probe: string): Fields {
  const found = fixtures.find(({ fixture }) => fixture.probe === probe)?.fixture.expected;
  return found !== undefined && "result" in found ? (found.result as Fields) : {};
}

const disk = {
  ...{ mountPoint: "/", mountCount: 1, device: "/dev/vda1", type: "ext4", readOnly: false },
  ...{ totalBytes: 100 * GIB, usedBytes: 50 * GIB, availableBytes: 50 * GIB, usedPercent: 50 },
  inodesUsedPercent: 10,
};
const stall = (percent: number) => ({
  ...{ avg10Percent: percent, avg60Percent: percent, avg300Percent: percent, totalSeconds: 1 },
});
const calm = { some: stall(0), full: stall(0) };
/** A host in good order. */
const HEALTHY: Record<string, Fields> = {
  overview: { ...recorded("overview"), loadAverage5m: 0.4, loadAverage15m: 0.3, cpuCount: 2 },
  pressure: { cpu: calm, memory: calm, io: calm, irq: null },
  cpu: { ...recorded("cpu.usage"), total: { stealPercent: 0, busyPercent: 20 } },
  memory: { ...recorded("memory.usage"), totalBytes: 4 * GIB, availableBytes: 2 * GIB },
  activity: {
    ...{ swapInBytesPerSecond: 0, swapOutBytesPerSecond: 0, majorFaultsPerSecond: 0 },
    ...{ oomKillsMeanwhile: 0, oomKillsSinceBoot: 0 },
  },
  disks: {
    ...{ filesystemCount: 1, filesystems: [disk], unreadableCount: 0, unreadable: [] },
    ...{ withoutStorageCount: 0, leftOutCount: 0, incomplete: false },
  },
  stuck: { stuckCount: 0, stuck: [], zombieCount: 0, othersHidden: false, incomplete: false },
  limits: { limits: [{ name: "open files", used: 10, limit: 100, usedPercent: 10 }] },
  reboot: {
    ...{ needed: false, reasons: [], packages: [], runningKernel: "6.1.0-1" },
    newestInstalledKernel: null,
  },
  cron: {
    ...{ ...recorded("cron.jobs"), ignoredCount: 0, ignored: [], unreadableCount: 1 },
    // As on every host with cron.
    unreadable: [{ path: "/var/spool/cron/crontabs", code: "PERMISSION_NEEDED", reason: "x" }],
  },
};

const { findings, untested } = openRunbookTest(pack, HEALTHY);

const disks = (change: object) => ({ disks: { filesystems: [{ ...disk, ...change }] } });
const stuck = { pid: 7, name: "cp", program: "cp", parentPid: 1, inBothLooks: true, waitsIn: "x" };
const limit = (usedPercent: number | null) => ({
  limits: { limits: [{ name: "tasks", used: 1, limit: 2, usedPercent }] },
});
const pressure = (what: "memory" | "io", some: number, full: number) => ({
  pressure: { [what]: { some: stall(some), full: stall(full) } },
});
const memory = (percent: number) => ({ memory: { availableBytes: (4 * GIB * percent) / 100 } });
const ignored = (reason: string) => ({
  cron: { ignored: [{ file: "/etc/cron.d/a", line: 1, reason, why: "x", jobCount: 1 }] },
});
const full = { usedPercent: 96, availableBytes: GIB };

const CASES: [finding: string, severity: string, Record<string, Fields>][] = [
  ["A filesystem is full, or nearly so.", "critical", disks(full)],
  ["Little space is left on a", "warning", disks({ usedPercent: 96, availableBytes: 10 * GIB })],
  ["Space on a filesystem gets", "warning", disks({ usedPercent: 86, availableBytes: 4 * GIB })],
  ["A filesystem has no inodes", "critical", disks({ inodesUsedPercent: 99 })],
  ["Inodes of a filesystem get", "warning", disks({ inodesUsedPercent: 90 })],
  ["A filesystem where programs write is", "warning", disks({ readOnly: true })],
  ["Some filesystems could not be asked", "unseen", { disks: { unreadable: [{ code: "x" }] } }],
  ["The mount table was longer", "unseen", { disks: { incomplete: true } }],
  ["Memory is used up", "critical", memory(2)],
  ["Little memory is available.", "warning", memory(5)],
  ["All programs wait for memory", "critical", pressure("memory", 50, 20)],
  ["Programs wait for memory.", "warning", pressure("memory", 10, 0)],
  ["Programs are read back", "warning", { activity: { swapInBytesPerSecond: 11 * 2 ** 20 } }],
  ["The kernel is killing programs", "critical", { activity: { oomKillsMeanwhile: 1 } }],
  ["The kernel has killed programs", "info", { activity: { oomKillsSinceBoot: 3 } }],
  ["The hypervisor gives", "info", { cpu: { total: { stealPercent: 30, busyPercent: 20 } } }],
  ["All programs wait for disks", "warning", pressure("io", 60, 41)],
  ["Cron ignores jobs", "warning", ignored("bad-schedule")],
  ["Files in the folders of cron", "info", ignored("name")],
  [
    "Some files of cron",
    "unseen",
    { cron: { unreadable: [{ path: "/etc/cron.d/a", code: "x" }] } },
  ],
  ["Many processes wait in the kernel", "warning", { stuck: { stuckCount: 10 } }],
  ["Processes waited in the kernel in two", "info", { stuck: { stuck: [stuck] } }],
  ["Very many ended processes", "warning", { stuck: { zombieCount: 1000 } }],
  ["Ended processes are not", "info", { stuck: { zombieCount: 20 } }],
  ["The kernel hides other", "unseen", { stuck: { othersHidden: true } }],
  ["A limit of the whole host is reached", "critical", limit(95)],
  ["A limit of the whole host is near.", "warning", limit(80)],
  ["The host waits for a reboot.", "info", { reboot: { needed: true } }],
];

test("a host in good order gives no finding, and says what its kernel does not report", () => {
  expect(findings()).toEqual([]);
  expect(findings({ pressure: { memory: null } })).toEqual([
    ["unseen", "memory.full.avg60Percent is not reported here"],
    ["unseen", "memory.some.avg60Percent is not reported here"],
  ]);
});

test.each(CASES)("%s %s", (finding, severity, change) => {
  expect(findings(change)).toEqual([[severity, expect.stringContaining(finding)]]);
});

test("a load that the CPUs cannot do is worse when it lasts", () => {
  const more = "More programs want to run than there are CPUs.";
  const load = (five: number, fifteen: number) =>
    findings({ overview: { loadAverage5m: five, loadAverage15m: fifteen } });
  expect(load(3, 0)).toEqual([["info", more]]);
  expect(load(2.9, 8)).toEqual([]);
  expect(load(8, 3.9)).toEqual([["info", more]]);
  expect(load(8, 4)).toEqual([
    ["warning", "The load is many times what the CPUs can do, and has been for a while."],
    ["info", more],
  ]);
});

test("what hangs on a remote filesystem is told by where it waits", () => {
  const waiting = { ...stuck, waitsIn: "rpc_wait_bit_killable" };
  expect(findings({ stuck: { stuck: [waiting] } }).map(([severity]) => severity)).toEqual([
    ...["warning", "info"],
  ]);
});

test.each([
  ["a large disk with room", disks({ usedPercent: 96, availableBytes: 60 * GIB })],
  ["an image that is always full", disks({ ...full, type: "squashfs", readOnly: true })],
  ["a disk that is full by design", disks({ ...full, readOnly: true, mountPoint: "/snap/x" })],
  ["a filesystem without inodes", disks({ inodesUsedPercent: null })],
  ["a small one that is fairly full", disks({ ...full, usedPercent: 94, totalBytes: GIB / 2 })],
  ["a limit that is not counted", limit(null)],
  ["a limit with room", limit(79)],
  ["memory with room", memory(8)],
  [
    "a process that waits for a moment",
    { stuck: { stuckCount: 1, stuck: [{ ...stuck, inBothLooks: false }] } },
  ],
])("%s is no finding", (_what, change) => {
  expect(findings(change)).toEqual([]);
});

test("each rule of the runbook is in these tests", () => {
  const others = ["The load is", "More programs", "Processes hang"];
  expect(untested([...CASES.map(([finding]) => finding), ...others])).toEqual([]);
});
