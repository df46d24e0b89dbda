import { openRunbookTest } from "@sonde/pack-sdk/testing";
import { expect, test } from "vitest";
import pack from "./pack.ts";

type Fields = Record<string, unknown>;

const GIB = 2 ** 30;
const file = (change: object) => ({
  files: { files: [{ path: "/var/log/shop/shop.log", sizeBytes: 1, rotated: false, ...change }] },
});
const HEALTHY: Record<string, Fields> = {
  files: { ...file({}).files, fileCount: 1, totalBytes: 1, unreadable: [], incomplete: false },
};

const CASES: [finding: string, severity: string, Record<string, Fields>][] = [
  ["A log file has grown large", "warning", file({ sizeBytes: 2 * GIB })],
  ["A log file is large.", "info", file({ sizeBytes: GIB })],
  ["Log files take much", "info", { files: { totalBytes: 10 * GIB } }],
  ["Some folders of logs", "unseen", { files: { unreadable: [{ path: "private" }] } }],
  ["There are more log files", "unseen", { files: { incomplete: true } }],
];
const FINE: [what: string, Record<string, Fields>][] = [
  ["a file with holes", file({ path: "/var/log/lastlog", sizeBytes: 300 * GIB })],
  [
    "a file that was rotated",
    file({ path: "/var/log/shop/shop.log.1", sizeBytes: 3 * GIB, rotated: true }),
  ],
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
