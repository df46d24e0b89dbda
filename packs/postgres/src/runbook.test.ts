import { openRunbookTest } from "@sonde/pack-sdk/testing";
import { expect, test } from "vitest";
import pack from "./pack.ts";

type Fields = Record<string, unknown>;

const database = {
  ...{ name: "shop", xidAge: 150_000_000, xidAgePerFreeze: 0.75, checksumFailures: null },
};
const root = { pid: 7, holdsUp: 1, longestWaitSeconds: 1, state: "idle in transaction" };
const table = { table: "public.a", deadRows: 50_000, deadPercent: 60, vacuumedSecondsAgo: null };
const holder = { kind: "session", id: "7", transactionsSince: 5, detail: "active", seconds: 1 };
const slot = { name: "a", active: true, keptBytes: 2 ** 31, walStatus: "extended" };
const replica = { name: "b", behindBytes: 0, lagSeconds: null };
const archiving = { isFailing: false, failedCount: 3, failedSecondsAgo: 90, archivedSecondsAgo: 5 };
const wal = {
  ...{ archiving, directory: { bytes: 2 ** 30, waitingForArchive: 1 }, bytesPerSecond: 10 },
  checkpoints: { timed: 20, requested: 19, requestedPercent: 48.7 },
};
const session = { pid: 7, state: "active", querySeconds: 10, stateSeconds: 10 };
const HEALTHY: Record<string, Fields> = {
  server: {
    ...{ connections: 10, mostConnections: 100, connectionsPercent: 10, autovacuumOn: true },
    ...{ settingsWaitingForRestart: 0, databases: [database] },
  },
  locks: { roots: [], waiting: [], incomplete: false },
  sessions: { sessions: [session], sessionCount: 1, incomplete: false },
  vacuum: { tables: [table], holders: [holder], running: [] },
  replication: { replicas: [replica], slots: [slot] },
  wal,
};
const server = (change: Fields) => ({ server: change });
const databases = (change: Fields) => server({ databases: [{ ...database, ...change }] });
const roots = (change: Fields) => ({ locks: { roots: [{ ...root, ...change }] } });
const sessions = (change: Fields) => ({ sessions: { sessions: [{ ...session, ...change }] } });
const idle = sessions({ state: "idle in transaction (aborted)", stateSeconds: 300 });
const holders = (change: Fields) => ({ vacuum: { holders: [{ ...holder, ...change }] } });
const walOf = (change: Fields) => ({ wal: { ...wal, ...change } });
const slots = (change: Fields) => ({ replication: { slots: [{ ...slot, ...change }] } });

const CASES: [finding: string, severity: string, Record<string, Fields>][] = [
  ["Nearly all connections", "critical", server({ connectionsPercent: 95 })],
  ["Many of the connections", "warning", server({ connectionsPercent: 80 })],
  ["One session holds up many others", "critical", roots({ holdsUp: 5 })],
  ["A session holds up another", "warning", roots({ longestWaitSeconds: 5 })],
  ["A transaction is open and does nothing", "warning", idle],
  ["A statement has run for more than an hour", "info", sessions({ querySeconds: 3600 })],
  ["A database nears the age", "critical", databases({ xidAge: 1_000_000_000 })],
  ["Autovacuum does not keep up", "warning", databases({ xidAgePerFreeze: 1.2 })],
  ["Autovacuum is switched off", "warning", server({ autovacuumOn: false })],
  ["A database has pages whose checksums", "critical", databases({ checksumFailures: 1 })],
  [
    "Much of a large table is dead",
    "warning",
    { vacuum: { tables: [{ ...table, deadRows: 1e5 }] } },
  ],
  ["Something old keeps dead rows", "warning", holders({ transactionsSince: 1e6 })],
  [
    "A transaction was prepared",
    "warning",
    holders({ kind: "prepared transaction", seconds: 3600 }),
  ],
  ["A replication slot that nobody reads", "warning", slots({ active: false })],
  ["A replication slot has lost WAL", "critical", slots({ walStatus: "lost" })],
  [
    "A replica is far behind",
    "warning",
    { replication: { replicas: [{ ...replica, behindBytes: 2 ** 30 }] } },
  ],
  ["A replication slot that is read keeps much", "warning", slots({ keptBytes: 10 * 2 ** 30 })],
  ["Archiving of WAL fails", "critical", walOf({ archiving: { ...archiving, isFailing: true } })],
  [
    "Archiving of WAL does not keep up",
    "warning",
    walOf({ directory: { waitingForArchive: 100 } }),
  ],
  [
    "Checkpoints come because much",
    "info",
    walOf({ checkpoints: { timed: 20, requested: 20, requestedPercent: 50 } }),
  ],
  ["Settings of the database server wait", "info", server({ settingsWaitingForRestart: 1 })],
  ["There are more sessions", "unseen", { sessions: { incomplete: true } }],
];
const FINE: [what: string, Record<string, Fields>][] = [
  ["a short wait for a lock", roots({ longestWaitSeconds: 0.2 })],
  [
    "a transaction that was idle for a moment",
    sessions({ state: "idle in transaction", stateSeconds: 2 }),
  ],
  [
    "a session that idles for days",
    sessions({ state: "idle", querySeconds: 99_999, stateSeconds: 99_999 }),
  ],
  [
    "a few checkpoints after a start",
    walOf({ checkpoints: { timed: 0, requested: 3, requestedPercent: 100 } }),
  ],
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
