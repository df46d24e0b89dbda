import type { GuestInput } from "@sonde/pack-sdk/author";
import { expect, test } from "vitest";
import { clients } from "./clients.ts";
import { latency } from "./latency.ts";
import { memory } from "./memory.ts";
import { overview } from "./overview.ts";
import { replication } from "./replication.ts";
import { slowlog } from "./slowlog.ts";

// What no recorded server shows: older releases, cut answers, large numbers and odd text.

type Fields = Record<string, unknown>;
const NOW = Date.UTC(2026, 10, 29, 12, 0, 0);
const SECONDS = NOW / 1000;
const refused = { ok: false, failure: { code: "PERMISSION_NEEDED", message: "NOPERM" } };
const looks = (replies: unknown[], truncated = false) => ({
  ok: true,
  samples: replies.map((reply, at) => ({ at: NOW + at * 1000, truncated, data: { reply } })),
});
const one = (reply: unknown, truncated = false) => looks([reply], truncated);
const info = (values: Fields) =>
  Object.entries(values)
    .map(([name, value]) => `${name}:${String(value)}\r\n`)
    .join("");
const input = (reads: object, params = {}): GuestInput =>
  ({ params, now: NOW, reads }) as GuestInput;

const SERVER = {
  ...{ redis_version: "7.0.15", redis_mode: "standalone", role: "master", uptime_in_seconds: 9 },
  ...{ loading: 0, used_memory: 1000, maxmemory: 2000, mem_not_counted_for_evict: 100 },
  ...{ maxmemory_policy: "noeviction", connected_clients: 2, maxclients: 10, blocked_clients: 0 },
  ...{ rejected_connections: 0, total_commands_processed: 10, keyspace_hits: 0 },
  ...{ keyspace_misses: 0, evicted_keys: 0, expired_keys: 0, aof_enabled: 0 },
  ...{ rdb_last_save_time: SECONDS - 60, rdb_changes_since_last_save: 0 },
};
const askOverview = (first: Fields, last: Fields, save: unknown = one(["save", "60 1"])) =>
  overview.call(
    input({ looks: looks([info({ ...SERVER, ...first }), info({ ...SERVER, ...last })]), save }),
  ) as Fields;

test("overview: rates are between two looks, without the look itself", () => {
  const answer = askOverview(
    { total_commands_processed: 10, evicted_keys: 5, rejected_connections: 1 },
    { total_commands_processed: 61, evicted_keys: 25, rejected_connections: 4 },
  );
  expect(answer).toMatchObject({
    ...{ commandsPerSecond: 50, evictedPerSecond: 20, rejectedPerSecond: 3, evictedKeys: 25 },
    ...{ limitPercent: 45, maxMemoryBytes: 2000, clientsPercent: 20, hitPercent: null },
  });
  // Counters that somebody reset go down.
  expect(askOverview({ evicted_keys: 50 }, {})).toMatchObject({ evictedPerSecond: 0 });
});

test("overview: what was not told is not taken for off, and failing is what says so", () => {
  expect(askOverview({}, {}, refused)).toMatchObject({
    ...{ persistence: { isOn: null, savePoints: null }, incomplete: true },
  });
  expect(askOverview({}, {}, one([]))).toMatchObject({ persistence: { isOn: null } });
  expect(askOverview({}, {}, one(["save", ""]))).toMatchObject({ persistence: { isOn: false } });
  const failing = {
    ...{ aof_enabled: 1, aof_last_write_status: "err", aof_last_bgrewrite_status: "err" },
    rdb_last_bgsave_status: "err",
  };
  expect(askOverview({}, failing, refused)).toMatchObject({
    persistence: {
      ...{ isOn: true, isSaveFailing: true, isAppendFailing: true, isRewriteFailing: true },
      lastSaveSecondsAgo: 60,
    },
  });
});

test("overview: errors of a script's own choice and cut answers do no harm", () => {
  const odd = { errorstat_OOM: "count=3", "errorstat_a b": "count=x", errorstat_ERR: "count=9" };
  expect(askOverview({}, odd)).toMatchObject({
    errors: [
      { error: "ERR", count: 9 },
      { error: "OOM", count: 3 },
    ],
  });
  const whole = info({ ...SERVER, db0: "keys=7,expires=1,avg_ttl=0" });
  const cut = `${whole}db1:keys=12`;
  const answer = overview.call(
    input({ looks: looks([cut, cut], true), save: one(["save", ""]) }),
  ) as Fields;
  expect(answer).toMatchObject({ keys: 7, databases: [{ name: "db0" }], incomplete: true });
});

const slow = (log: unknown[], count: number, params = {}) =>
  slowlog.call(
    input({ log: one(log), count: one(count), threshold: one([]), most: refused }, params),
  ) as Fields;

test("slowlog: the slowest first, and the same by command", () => {
  const entry = (micros: number, command: string) => [
    ...[1, SECONDS - 5, micros, [command, 2, 10, 7], "127.0.0.1:1", "web"],
  ];
  const log = [entry(2000, "GET"), entry(9000, "KEYS"), entry(8000, "GET")];
  expect(slow(log, 3, { limit: 1 })).toMatchObject({
    entries: [{ command: "KEYS", durationMs: 9, secondsAgo: 5, argumentBytes: 10 }],
    commands: [
      { command: "GET", count: 2, totalMs: 10, longestMs: 8 },
      { command: "KEYS", count: 1 },
    ],
    ...{ lookedAtCount: 3, mostEntries: null, isOn: true, thresholdMs: null, incomplete: false },
  });
  expect(slow(log, 9, { newest: 3 })).toMatchObject({ incomplete: true });
  expect(slow(log, 4, { newest: 5 })).toMatchObject({ incomplete: false });
  // Of a release before 4.0 an entry has no client.
  expect(slow([[1, SECONDS, 5, ["GET", 1, 1, 1]]], 1)).toMatchObject({ entries: [{ client: "" }] });
  expect(() => slow([[1, SECONDS, 5, "GET a"]], 1)).toThrow(/expected an entry of the slow log/);
});

test("clients: of an older release, of an odd form, and of a list that was cut", () => {
  const old =
    "id=3 addr=127.0.0.1:1 name= age=5 idle=4 flags=b db=0 sub=0 psub=0 multi=-1 cmd=blpop";
  const list = `${old} omem=9\nodd\nid=4 addr=[::1]:2 name=x flags=O multi=2 cmd=monitor tot-mem=50\n`;
  const most = one(["maxclients", "4"]);
  expect(clients.call(input({ list: one(list), most }))).toMatchObject({
    clients: [
      { id: 4, kind: "monitor", memoryBytes: 50, queuedCommands: 2 },
      { id: 3, isBlocked: true, memoryBytes: null, outputBufferBytes: 9, queuedCommands: null },
    ],
    groups: [{ host: "127.0.0.1" }, { host: "[::1]", name: "x" }],
    ...{ clientCount: 2, unreadableCount: 1, clientsPercent: 50, incomplete: false },
  });
  const cut = clients.call(input({ list: one(`${old}\nid=44 cmd=ge`, true), most }));
  expect(cut).toMatchObject({ clientCount: 1, unreadableCount: 0, incomplete: true });
});

const MIB = 2 ** 20;
const askMemory = (values: Fields, stats: unknown[] = []) =>
  memory.call(
    input({
      info: one(
        info({
          ...{ used_memory: 100 * MIB, used_memory_rss: 95 * MIB, used_memory_peak: 200 * MIB },
          ...{ total_system_memory: 1000 * MIB, maxmemory: 0, maxmemory_policy: "noeviction" },
          ...values,
        }),
      ),
      ...{ stats: one(stats), doctor: refused },
    }),
  ) as Fields;

test("memory: a part that is not resident may be swapped, when there is enough to say so", () => {
  expect(askMemory({})).toMatchObject({ isMaybeSwapped: false, peakPercent: 50, limitPercent: 0 });
  expect(askMemory({ used_memory_rss: 80 * MIB })).toMatchObject({
    ...{ isMaybeSwapped: true, fragmentationRatio: 0.8, advice: null, incomplete: true },
  });
  const small = { used_memory: MIB, used_memory_rss: MIB / 2 };
  expect(askMemory(small)).toMatchObject({ isMaybeSwapped: false });
  const spared = { maxmemory: 100 * MIB, mem_not_counted_for_evict: 20 * MIB };
  expect(askMemory(spared)).toMatchObject({ limitPercent: 80, maxMemoryBytes: 100 * MIB });
});

test("memory: parts and databases, the largest first", () => {
  const stats = [
    ...["clients.normal", 10 * MIB, "dataset.bytes", 50 * MIB, "keys.count", 4],
    ...["db.0", ["overhead.hashtable.main", 5, "overhead.hashtable.expires", 6]],
    ...["db.3", ["overhead.hashtable.main", 50], "dataset.percentage", "50.5"],
  ];
  expect(askMemory({}, stats)).toMatchObject({
    parts: [
      { part: "data", bytes: 50 * MIB, percent: 50 },
      { part: "clients", percent: 10 },
    ],
    databases: [
      { name: "db3", tableBytes: 50 },
      { name: "db0", tableBytes: 11 },
    ],
    keys: 4,
  });
});

test("latency: events by the longest, commands by their time, and what older releases lack", () => {
  const reads = {
    spikes: one([
      ["command", SECONDS - 9, 20, 30],
      ["fork", SECONDS - 99, 5, 300],
    ]),
    threshold: one(["latency-monitor-threshold", "100"]),
    statistics: one(info({ latest_fork_usec: 1500 })),
    calls: one(
      info({
        cmdstat_get: "calls=9,usec=100,usec_per_call=11.11",
        "cmdstat_config|get":
          "calls=1,usec=300,usec_per_call=300.00,rejected_calls=2,failed_calls=1",
      }),
    ),
    percentiles: refused,
  };
  expect(latency.call(input(reads, { limit: 2 }))).toMatchObject({
    events: [
      { event: "fork", longestMs: 300, lastSecondsAgo: 99 },
      { event: "command", lastMs: 20 },
    ],
    commands: [
      { command: "config get", timePercent: 75, totalMs: 0.3, failedCalls: 1, rejectedCalls: 2 },
      { command: "get", averageMs: 0.011, p99Ms: null, failedCalls: null },
    ],
    ...{ isMonitored: true, thresholdMs: 100, lastForkMs: 1.5, incomplete: true },
  });
  const off = { ...reads, spikes: one([]), threshold: one(["latency-monitor-threshold", "0"]) };
  expect(latency.call(input(off))).toMatchObject({ isMonitored: false, thresholdMs: null });
});

test("replication: the replica that is furthest behind is the first", () => {
  const text = info({
    ...{ role: "master", master_repl_offset: 1000, repl_backlog_active: 1 },
    ...{ repl_backlog_size: 10, repl_backlog_histlen: 5 },
    slave0: "ip=10.0.0.1,port=6379,state=online,offset=990,lag=0",
    slave1: "ip=::1,port=6380,state=wait_bgsave,offset=0,lag=-1",
  });
  expect(
    replication.call(input({ info: one(text), role: one(["master", 1000, []]), least: one([]) })),
  ).toMatchObject({
    replicas: [
      { address: "::1:6380", behindBytes: 1000, lagSeconds: null },
      { address: "10.0.0.1:6379", behindBytes: 10, lagSeconds: 0 },
    ],
    ...{ role: "primary", primaries: [], replicasToWrite: null, incomplete: false },
  });
});
