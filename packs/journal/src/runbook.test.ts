import { openRunbookTest } from "@sonde/pack-sdk/testing";
import { expect, test } from "vitest";
import pack from "./pack.ts";

type Fields = Record<string, unknown>;

const cluster = { count: 1, source: "x.service", priority: "err", newest: "failed" };
const lately = (...clusters: object[]) => ({ lately: { clusters } });
const kernel = (message: string) => ({ kernel: { rows: [{ priority: "err", message }] } });
const HEALTHY: Record<string, Fields> = {
  lately: { clusters: [], clusterCount: 0, rowCount: 0, incomplete: false, warnings: "" },
  kernel: { rows: [], incomplete: false, unreadableCount: 0, warnings: "" },
  kills: { kills: [], killCount: 0 },
  usage: { diskBytes: 2 ** 30, warnings: "" },
};

const CASES: [finding: string, severity: string, Record<string, Fields>][] = [
  ["Something reports that it cannot", "warning", lately({ ...cluster, priority: "crit" })],
  ["The same error is reported", "warning", lately({ ...cluster, count: 500 })],
  ["Errors are reported", "info", lately(cluster)],
  ["There were more errors", "unseen", { lately: { incomplete: true } }],
  ["Journal files are damaged", "unseen", { lately: { warnings: "File corrupted: x" } }],
  ["The kernel reported a broken", "warning", kernel("EXT4-fs error (device vda1): bad")],
  ["The kernel reported errors of", "info", kernel("I/O error, dev fd0, sector 0")],
  ["The kernel killed programs", "info", { kills: { kills: [{ name: "java" }] } }],
  ["The journal takes much", "info", { usage: { diskBytes: 8 * 2 ** 30 } }],
];
const FINE: [what: string, Record<string, Fields>][] = [
  ["another message of the kernel", kernel("ACPI: a table of the firmware is wrong")],
  ["a journal of the usual size", { usage: { diskBytes: 4 * 2 ** 30 } }],
];

test("an error of an absent floppy disk is none of a disk that fails", () => {
  expect(findings(kernel("I/O error, dev fd0, sector 0")).map(([severity]) => severity)).toEqual([
    "info",
  ]);
});

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
