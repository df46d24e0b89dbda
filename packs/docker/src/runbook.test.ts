import { openRunbookTest } from "@sonde/pack-sdk/testing";
import { expect, test } from "vitest";
import pack from "./pack.ts";

type Fields = Record<string, unknown>;

const container = (state: string, status: string) => ({
  containers: { containers: [{ name: "web", image: "web:1", state, status }] },
});
const quiet = {
  ...{ name: "job", startCount: 9, endCount: 9, lastExitCode: 0, outOfMemoryCount: 0 },
  ...{ unhealthyCount: 1, lastHealth: "healthy" },
};
const events = (change: Fields) => ({ events: { containers: [{ ...quiet, ...change }] } });
const HEALTHY: Record<string, Fields> = {
  ...container("running", "Up 3 hours (healthy)"),
  events: { containers: [quiet], eventCount: 20, incomplete: false },
};

const CASES: [finding: string, severity: string, Record<string, Fields>][] = [
  ["A container is restarting", "warning", container("restarting", "Restarting (1) 5 seconds ago")],
  ["A container says that it is not", "warning", container("running", "Up 1 hour (unhealthy)")],
  ["A container could not be removed", "warning", container("dead", "Dead")],
  ["A container was killed", "info", container("exited", "Exited (137) 2 hours ago")],
  ["A container ended with an error", "info", container("exited", "Exited (1) 2 hours ago")],
  ["A container is paused", "info", container("paused", "Up 2 hours (Paused)")],
  ["A container ended several times", "warning", events({ lastExitCode: 1 })],
  ["Processes of a container were killed", "warning", events({ outOfMemoryCount: 1 })],
  ["The health of a container", "warning", events({ unhealthyCount: 2 })],
  ["The engine did more", "unseen", { events: { incomplete: true } }],
];
const FINE: [what: string, Record<string, Fields>][] = [
  ["a container that ended", container("exited", "Exited (0) 2 days ago")],
  ["an engine without containers", { containers: { containers: [] } }],
  ["a container that ended twice", events({ startCount: 2, endCount: 2, lastExitCode: 1 })],
  ["one that was removed", events({ startCount: 0, lastExitCode: 1 })],
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
