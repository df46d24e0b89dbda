import { openRunbookTest } from "@sonde/pack-sdk/testing";
import { expect, test } from "vitest";
import pack from "./pack.ts";

type Fields = Record<string, unknown>;

const serviceOf = (change: object) => ({
  restarts: {
    services: [
      {
        ...{ name: "web.service", restartsMeanwhile: 0, restartCount: 1, result: "success" },
        ...{ activeState: "active", subState: "running", stateSince: null, end: null, ...change },
      },
    ],
  },
});
const timerOf = (change: object) => ({
  timers: {
    timers: [
      {
        ...{ name: "backup.timer", starts: "backup.service", lastAt: null, nextAt: null },
        ...{ isLate: false, isRunning: false, lastResult: "success", end: null, ...change },
      },
    ],
  },
});
const unitOf = (change: object) => ({
  usage: {
    units: [
      {
        ...{ name: "web.service", memoryBytes: 90, memoryLimitBytes: 100, memoryUsedPercent: 90 },
        ...{ memoryStalledPercent: 0, oomKillCount: 0, ...change },
      },
    ],
  },
});
const loadedOf = (loadState: string) => ({
  units: {
    units: [{ name: "web.service", loadState, activeState: "active", subState: "running" }],
  },
});
const failedOf = (result: string) => ({
  failed: { units: [{ name: "web.service", result, end: null, failedAt: null }] },
});
const HEALTHY: Record<string, Fields> = {
  failed: { failedCount: 0, units: [], incomplete: false },
  restarts: { serviceCount: 40, ...serviceOf({}).restarts, incomplete: false },
  timers: { timerCount: 1, ...timerOf({}).timers, incomplete: false },
  units: { unitCount: 1, ...loadedOf("loaded").units, incomplete: false },
  usage: { unitCount: 1, unreadableCount: 0, ...unitOf({}).usage, incomplete: false },
};

const CASES: [finding: string, severity: string, Record<string, Fields>][] = [
  ["A service has failed because memory", "critical", failedOf("oom-kill")],
  ["systemd gave up on a service", "critical", serviceOf({ activeState: "failed" })],
  ["A service ends and is started", "critical", serviceOf({ restartsMeanwhile: 1 })],
  ["A service has ended and waits", "warning", serviceOf({ subState: "auto-restart" })],
  ["A unit has failed.", "warning", failedOf("exit-code")],
  ["The file of a unit cannot be loaded", "warning", loadedOf("bad-setting")],
  ["What a timer starts has failed", "warning", timerOf({ lastResult: "timeout" })],
  ["A timer is late", "info", timerOf({ isLate: true })],
  ["A service was restarted several", "info", serviceOf({ restartCount: 3 })],
  [
    ...(["A unit uses all of the memory", "warning"] as const),
    unitOf({ memoryUsedPercent: 95, memoryStalledPercent: 5 }),
  ],
  ["Processes of a unit were killed", "warning", unitOf({ oomKillCount: 1 })],
  ["There are more failed units", "unseen", { failed: { incomplete: true } }],
  ["There are more services", "unseen", { restarts: { incomplete: true } }],
  ["There are more timers", "unseen", { timers: { incomplete: true } }],
  ["The list of units was longer", "unseen", { units: { incomplete: true } }],
  ["There are more units than", "unseen", { usage: { incomplete: true } }],
];
const FINE: [what: string, Record<string, Fields>][] = [
  ["page cache up to the limit", unitOf({ memoryUsedPercent: 100 })],
  ["a unit without a limit", unitOf({ memoryUsedPercent: null, memoryLimitBytes: null })],
  ["a kernel that does not count", unitOf({ oomKillCount: null, memoryStalledPercent: null })],
  ["a unit that is named by another one only", loadedOf("not-found")],
  ["a timer that never ran", timerOf({ lastResult: null })],
];

const { findings, untested } = openRunbookTest(pack, HEALTHY);

test("a host in good order gives no finding", () => {
  expect(findings()).toEqual([]);
});

test.each(CASES)("%s %s", (finding, severity, change) => {
  expect(findings(change)).toContainEqual([severity, expect.stringContaining(finding)]);
});

test.each(FINE)("%s gives no finding", (_what, change) => {
  expect(findings(change)).toEqual([]);
});

test("each rule of the runbook is in these tests", () => {
  expect(untested(CASES.map(([finding]) => finding))).toEqual([]);
});
