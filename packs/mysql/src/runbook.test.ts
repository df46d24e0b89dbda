import { openRunbookTest } from "@sonde/pack-sdk/testing";
import { expect, test } from "vitest";
import pack from "./pack.ts";

type Fields = Record<string, unknown>;

const root = { id: 7, holdsUp: 1, longestWaitSeconds: 1, state: "idle in transaction" };
const session = { id: 7, state: "active", stateSeconds: 10, transactionSeconds: null };
const costly = { id: "a", callsWithoutIndex: 1000, meanMs: 2 };
const upstream = {
  ...{ name: "", host: "db1", reads: "Yes", applies: true, behindSeconds: 2 },
  ...{ readErrorNumber: 0, applyErrorNumber: 0 },
};
const pool = { waitsForFree: 0, hitPercent: 80, diskReadsPerSecond: 5, bytes: 2 ** 27 };
const HEALTHY: Record<string, Fields> = {
  server: {
    ...{ connections: 10, mostConnections: 100, connectionsPercent: 10, undoEntries: 20 },
    ...{ flushesEachCommit: true, countsStatements: true, sinceStart: { refusedConnections: 0 } },
  },
  locks: { roots: [], waiting: [], incomplete: false },
  sessions: { sessions: [session], sessionCount: 1, incomplete: false },
  statements: { statements: [costly], notCounted: null, incomplete: false },
  replication: { sources: [upstream], replicas: [], sourcesNotRead: null, incomplete: false },
  buffers: { pool, redo: { usedPercent: 10 } },
};
const server = (change: Fields) => ({ server: change });
const roots = (change: Fields) => ({ locks: { roots: [{ ...root, ...change }] } });
const sessions = (change: Fields) => ({ sessions: { sessions: [{ ...session, ...change }] } });
const follows = (change: Fields) => ({
  replication: { sources: [{ ...upstream, ...change }] },
});
const pools = (change: Fields) => ({ buffers: { pool: { ...pool, ...change } } });
const idle = sessions({ state: "idle in transaction", stateSeconds: 300 });
const long = sessions({ stateSeconds: 3600, transactionSeconds: 3600 });

const CASES: [finding: string, severity: string, Record<string, Fields>][] = [
  ["Nearly all connections", "critical", server({ connectionsPercent: 95 })],
  ["Many of the connections", "warning", server({ connectionsPercent: 80 })],
  [
    "The database server has refused connections",
    "warning",
    server({ sinceStart: { refusedConnections: 1 } }),
  ],
  ["One session holds up many others", "critical", roots({ holdsUp: 5 })],
  ["A session holds up another", "warning", roots({ longestWaitSeconds: 5 })],
  ["A transaction is open and does nothing", "warning", idle],
  ["A statement has run for more than an hour", "info", long],
  [
    "A statement that is often called",
    "info",
    { statements: { statements: [{ ...costly, meanMs: 100 }] } },
  ],
  ["Old versions of rows pile up", "warning", server({ undoEntries: 1e6 })],
  ["This server no longer gets changes", "critical", follows({ reads: "Connecting" })],
  [
    "This server no longer applies changes",
    "critical",
    follows({ applies: false, behindSeconds: null }),
  ],
  ["This server is minutes behind", "warning", follows({ behindSeconds: 300 })],
  ["Statements wait for free pages", "warning", pools({ waitsForFree: 1 })],
  ["Many pages are read from the disk", "info", pools({ diskReadsPerSecond: 100 })],
  ["The redo log is nearly full", "warning", { buffers: { redo: { usedPercent: 90 } } }],
  ["A commit is not on the disk", "info", server({ flushesEachCommit: false })],
  ["The server does not count its statements", "unseen", server({ countsStatements: false })],
  ["The server does not say whom it follows", "unseen", { replication: { incomplete: true } }],
  ["There are more sessions", "unseen", { sessions: { incomplete: true } }],
];
const FINE: [what: string, Record<string, Fields>][] = [
  ["a short wait for a lock", roots({ longestWaitSeconds: 0.2 })],
  ["a session that idles for days", sessions({ state: "idle", stateSeconds: 99_999 })],
  ["a thread that waits for work for days", sessions({ stateSeconds: 99_999 })],
];

const { findings, untested } = openRunbookTest(pack, HEALTHY);

test("a server in good order gives no finding", () => {
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
