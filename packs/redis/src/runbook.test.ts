import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openRunbookTest } from "@sonde/pack-sdk/testing";
import { expect, test } from "vitest";
import pack from "./pack.ts";

type Fields = Record<string, unknown>;

const MIB = 2 ** 20;
const persistence = {
  ...{ isOn: true, isSaveFailing: false, lastSaveSecondsAgo: 60, unsavedChanges: 3 },
  ...{ isAppendOn: true, isAppendFailing: false, isRewriteFailing: false, savePoints: "3600 1" },
};
const client = {
  ...{ id: 7, address: "127.0.0.1:1", name: "", kind: "normal", lastCommand: "get" },
  ...{ outputBufferBytes: 1000, memoryBytes: 40_000 },
};
const entry = {
  ...{ command: "KEYS", durationMs: 20, secondsAgo: 60, argumentCount: 1 },
  ...{ largestArgumentBytes: 5, client: "127.0.0.1:1" },
};
const spike = { event: "fork", lastMs: 20, lastSecondsAgo: 60, longestMs: 900 };
const replica = { address: "127.0.0.1:2", state: "online", behindBytes: 14, lagSeconds: 1 };
const primary = {
  ...{ address: "127.0.0.1:3", link: "up", state: "connected", downSeconds: null },
  ...{ isSynchronising: false, leftBytes: null, isReadOnly: true },
};
const HEALTHY: Record<string, Fields> = {
  server: {
    ...{ isLoading: false, evictedPerSecond: 0, evictedKeys: 0, errors: [], persistence },
    ...{ rejectedConnections: 0, rejectedPerSecond: 0, clientsPercent: 10, incomplete: false },
  },
  memory: {
    ...{ limitPercent: 50, evictionPolicy: "noeviction", isMaybeSwapped: false },
    ...{ fragmentationRatio: 1.2, fragmentationBytes: 400 * MIB },
  },
  clients: { clients: [client], blockedCount: 0, monitorCount: 0, incomplete: false },
  slow: { entries: [entry], isOn: true },
  latency: { events: [spike], lastForkMs: 10, isMonitored: true },
  replication: { replicas: [replica], primaries: [primary] },
};
const server = (change: Fields) => ({ server: change });
const saving = (change: Fields) => server({ persistence: { ...persistence, ...change } });
const memory = (change: Fields) => ({ memory: change });
const clients = (change: Fields) => ({ clients: change });
const replicas = (change: Fields) => ({ replication: { replicas: [{ ...replica, ...change }] } });
const primaries = (change: Fields) => ({
  replication: { primaries: [{ ...primary, ...change }] },
});
const spikes = (change: Fields) => ({ latency: { events: [{ ...spike, ...change }] } });
const entries = (change: Fields) => ({ slow: { entries: [{ ...entry, ...change }] } });
const errors = (error: string) => server({ errors: [{ error, count: 2 }] });

const CASES: [finding: string, severity: string, Record<string, Fields>][] = [
  ["Redis is at its memory limit and refuses", "critical", memory({ limitPercent: 99 })],
  ["Redis nears its memory limit", "warning", memory({ limitPercent: 90 })],
  ["Redis is at its memory limit and evicts", "warning", server({ evictedPerSecond: 0.1 })],
  ["Redis has evicted keys", "info", server({ evictedKeys: 1 })],
  ["Redis refused commands", "warning", errors("OOM")],
  ["The last snapshot", "critical", saving({ isSaveFailing: true })],
  ["Redis refused writes", "warning", errors("MISCONF")],
  ["Redis cannot write its append-only", "critical", saving({ isAppendFailing: true })],
  ["The last rewrite", "warning", saving({ isRewriteFailing: true })],
  ["Redis keeps its data in memory alone", "info", saving({ isOn: false })],
  ["Redis loads its data", "critical", server({ isLoading: true })],
  ["Redis refuses connections", "critical", server({ rejectedPerSecond: 0.1 })],
  ["Redis has refused connections", "warning", server({ rejectedConnections: 1 })],
  ["Most of the clients", "warning", server({ clientsPercent: 80 })],
  ["Clients wait in blocking commands", "info", clients({ blockedCount: 1 })],
  ["Somebody watches every command", "warning", clients({ monitorCount: 1 })],
  [
    "A client of Redis does not take its answers",
    "warning",
    clients({ clients: [{ ...client, outputBufferBytes: 32 * MIB }] }),
  ],
  ["The link of this replica", "critical", primaries({ link: "down", downSeconds: 5 })],
  ["A replica takes writes of its own", "warning", primaries({ isReadOnly: false })],
  ["A replica is far behind", "warning", replicas({ behindBytes: 64 * MIB })],
  ["A replica has been silent", "warning", replicas({ lagSeconds: 10 })],
  ["A replica takes all data anew", "info", replicas({ state: "send_bulk" })],
  ["Much of the memory", "warning", memory({ fragmentationRatio: 1.5 })],
  ["A part of Redis's memory may be swapped", "warning", memory({ isMaybeSwapped: true })],
  ["Redis stood still", "warning", spikes({ lastMs: 100 })],
  ["The last fork held", "warning", { latency: { lastForkMs: 500 } }],
  ["Commands took 100 ms", "warning", entries({ durationMs: 100 })],
  ["Redis notes no latency spikes", "unseen", { latency: { isMonitored: false } }],
  ["Redis logs no slow commands", "unseen", { slow: { isOn: false } }],
  ["There are more clients", "unseen", clients({ incomplete: true })],
  ["Something of the Redis server", "unseen", server({ incomplete: true })],
];
const FINE: [what: string, Record<string, Fields>][] = [
  ["a cache near its limit", memory({ limitPercent: 97, evictionPolicy: "allkeys-lru" })],
  ["an error of a client", errors("WRONGTYPE")],
  ["a spike of yesterday", spikes({ lastMs: 900, lastSecondsAgo: 86_400 })],
  ["a slow command of yesterday", entries({ durationMs: 900, secondsAgo: 86_400 })],
  ["a small server that is fragmented", memory({ fragmentationRatio: 9, fragmentationBytes: MIB })],
  ["a replica without a word of its lag", replicas({ lagSeconds: null })],
];

const { findings, untested } = openRunbookTest(pack, HEALTHY);

test("a server in good order gives no finding", () => {
  expect(findings()).toEqual([]);
});

test("a recorded server that nobody touched gives no finding", () => {
  const recorded = Object.fromEntries(
    [
      ...[["server", "overview"], ["slow", "slowlog"], ["memory"], ["clients"], ["latency"]],
      ["replication"],
    ].map(([as = "", probe = as]) => [as, answerOf(`${probe}-idle`)]),
  );
  expect(openRunbookTest(pack, recorded).findings()).toEqual([]);
});

function answerOf(fixture: string): Fields {
  const file = join(import.meta.dirname, "../fixtures", `${fixture}.json`);
  const { expected } = JSON.parse(readFileSync(file, "utf8")) as { expected: { result: Fields } };
  return expected.result;
}

test.each(CASES)("%s %s", (finding, severity, change) => {
  expect(findings(change)).toContainEqual([severity, expect.stringContaining(finding)]);
});

test.each(FINE)("%s gives no finding", (_what, change) => {
  expect(findings(change)).toEqual([]);
});

test("each rule of the runbook is in these tests", () => {
  expect(untested(CASES.map(([finding]) => finding))).toEqual([]);
});
