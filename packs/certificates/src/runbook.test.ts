import { openRunbookTest } from "@sonde/pack-sdk/testing";
import { expect, test } from "vitest";
import pack from "./pack.ts";

type Fields = Record<string, unknown>;

const certificate = { path: "/etc/ssl/a.crt", names: ["shop.example"], daysLeft: 21 };
const quiet = {
  ...{ certificates: [certificate], certificateCount: 1, brokenChains: [], besidePrivateKeys: [] },
  ...{ unreadable: [], incomplete: false },
};
const HEALTHY: Record<string, Fields> = { files: quiet };
const files = (change: Fields) => ({ files: { ...quiet, ...change } });
const one = (change: Fields) => files({ certificates: [{ ...certificate, ...change }] });

const CASES: [finding: string, severity: string, Record<string, Fields>][] = [
  ["A certificate has expired", "critical", one({ daysLeft: -1 })],
  ["A certificate ends within a week", "critical", one({ daysLeft: 0 })],
  ["A certificate ends within three weeks", "warning", one({ daysLeft: 7 })],
  ["A certificate of an issuer", "warning", one({ names: [], daysLeft: 20 })],
  ["A certificate expired long ago", "info", one({ daysLeft: -91 })],
  ["A file has certificates of which", "warning", files({ brokenChains: [{ path: "/etc/x" }] })],
  ["A file with a certificate also", "warning", files({ besidePrivateKeys: [{ path: "/etc/x" }] })],
  ["Some files or folders", "unseen", files({ unreadable: [{ path: "/etc/x", reason: "no" }] })],
  ["There are more certificates", "unseen", files({ incomplete: true })],
];

const { findings, untested } = openRunbookTest(pack, HEALTHY);

test("a host in good order gives no finding", () => {
  expect(findings()).toEqual([]);
  expect(findings(files({ certificates: [], certificateCount: 0 }))).toEqual([]);
});

test.each(CASES)("%s %s", (finding, severity, change) => {
  expect(findings(change)).toEqual([[severity, expect.stringContaining(finding)]]);
});

test("each rule of the runbook is in these tests", () => {
  expect(untested(CASES.map(([finding]) => finding))).toEqual([]);
});
