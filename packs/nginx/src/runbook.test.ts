import { openRunbookTest } from "@sonde/pack-sdk/testing";
import { expect, test } from "vitest";
import pack from "./pack.ts";

type Fields = Record<string, unknown>;

const route = (change: object) => ({
  ...{ route: "GET /", count: 100, serverErrors: 0, clientErrors: 0, p95Ms: 20, maxMs: 30 },
  ...change,
});
const message = (change: object) => ({
  errors: {
    messages: [
      { level: "error", kind: "no-such-file", message: "open", lastMinutesAgo: 5, ...change },
    ],
  },
});
const problem = (name: string) => ({
  config: { problems: [{ problem: name, what: "x", place: "nginx.conf:1" }], notRead: [] },
});
const HEALTHY: Record<string, Fields> = {
  access: {
    ...{ requests: 1000, serverErrors: 2, serverErrorPercent: 0.2, unreadLines: 0, times: null },
    ...{ failing: [route({ clientErrors: 3 })], slowest: [route({})], busiest: [route({})] },
  },
  errors: message({}).errors,
  config: problem("").config,
  status: { droppedConnections: 0, acceptedConnections: 9 },
};

const CASES: [finding: string, severity: string, Record<string, Fields>][] = [
  ["nginx has reached a limit", "critical", message({ kind: "file-limit" })],
  ["nginx reports an emergency", "critical", message({ level: "alert" })],
  ["Many of the newest", "critical", { access: { serverErrors: 60, serverErrorPercent: 12 } }],
  ["Some of the newest", "warning", { access: { serverErrors: 20, serverErrorPercent: 2 } }],
  [
    "A route fails most of the time",
    "warning",
    { access: { failing: [route({ serverErrors: 50 })] } },
  ],
  ["A route is slow", "warning", { access: { slowest: [route({ p95Ms: 3000 })] } }],
  ["An upstream does not answer", "warning", message({ kind: "upstream-timeout" })],
  ["A part of the file system", "warning", problem("path-escape")],
  ["Two servers have one name", "warning", problem("same-name")],
  ["Everybody may ask", "info", problem("open-status")],
  ["Old protocols of TLS", "info", problem("weak-protocols")],
  ["Folders are listed", "info", problem("lists-folders")],
  ["Connections were dropped", "info", { status: { droppedConnections: 1 } }],
  [
    "Part of the configuration",
    "unseen",
    { config: { problems: [], notRead: [{ what: "include x", reason: "no" }] } },
  ],
  ["Lines of the access log", "unseen", { access: { unreadLines: 1 } }],
];
const FINE: [what: string, Record<string, Fields>][] = [
  ["a limit that was reached hours ago", message({ kind: "file-limit", lastMinutesAgo: 300 })],
  ["one server error of few requests", { access: { serverErrors: 4, serverErrorPercent: 50 } }],
  [
    "a slow route that was asked a few times",
    { access: { slowest: [route({ count: 9, p95Ms: 9000 })] } },
  ],
];

const { findings, untested } = openRunbookTest(pack, HEALTHY);

test("an nginx in good order gives no finding", () => {
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
