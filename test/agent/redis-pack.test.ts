import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scrub } from "../../foundation/scrub/src/index.ts";
import { isCheckedHere } from "../hosts/requirements.ts";
import { until, workspace } from "../product/start-product.ts";
import { type AskedPack, openAskedPack } from "./ask-pack.ts";
import { type BusyRedis, startBusyRedis } from "./busy-redis.ts";

// What sonde/redis says of a server of this test, read by a real runner, and what redis-cli knows of the
// same. The servers are in a network of their own at the ports that the pack asks, which needs root.

const isChecked = isCheckedHere("sonde/redis", {
  ...{ unshare: "util-linux", ip: "iproute2" },
  ...{ "redis-server": "redis-server", "redis-cli": "redis-tools" },
});

type Fields = Record<string, unknown>;
let servers: BusyRedis;
let pack: AskedPack;
beforeAll(async () => {
  if (!isChecked) return;
  servers = await startBusyRedis();
  pack = await openAskedPack("redis", servers.enter);
}, 60_000);
afterAll(async () => {
  await pack?.close();
  await servers?.close();
});

const ask = async (probe: string, params: Fields = {}): Promise<Fields> =>
  (await pack.ask(probe, params)) as Fields;
const rowsOf = (answer: Fields, list: string): Fields[] => answer[list] as Fields[];
const cli = (...words: string[]): Promise<string> => servers.asked.cli(...words);
/** A value of INFO, as redis-cli prints it. */
const info = async (name: string): Promise<string> =>
  new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(await cli("INFO", "everything"))?.[1] ?? "";
const findingsOf = async (): Promise<string[]> =>
  (await pack.diagnose()).findings.map(({ finding }) => finding);

test.runIf(isChecked)(
  "overview: what redis-cli knows, and databases with the most keys first",
  async () => {
    for (const [database, count] of [
      [0, 3],
      [5, 20],
    ] as const) {
      for (let at = 0; at < count; at++) {
        await cli("-n", String(database), "SET", `key-${at}`, "value", "EX", "9999");
      }
    }
    await cli("-n", "5", "SET", "for-ever", "x");
    await cli("LPUSH", "key-0", "x");
    const answer = await ask("overview");
    expect(answer).toMatchObject({
      ...{ version: await info("redis_version"), mode: "standalone", role: "primary" },
      ...{ maxMemoryBytes: null, limitPercent: 0, evictionPolicy: "noeviction", isLoading: false },
      ...{ keys: 24, mostClients: 10_000, rejectedConnections: 0, incomplete: false },
      databases: [
        { name: "db5", keys: 21, expiring: 20 },
        { name: "db0", keys: 3, expiring: 3 },
      ],
      persistence: { isOn: false, savePoints: "", isSaveFailing: false, isAppendOn: false },
    });
    expect(await info("db5")).toMatch(/^keys=21,expires=20,/);
    const [, count] = /count=(\d+)/.exec(await info("errorstat_WRONGTYPE")) ?? [];
    expect(rowsOf(answer, "errors")).toContainEqual({ error: "WRONGTYPE", count: Number(count) });
    expect(Math.abs(Number(answer["usedBytes"]) - Number(await info("used_memory")))).toBeLessThan(
      1e6,
    );
  },
);

// Attack 53.
test.runIf(isChecked)(
  "slowlog: the slowest first, with sizes, and without a key or value",
  async () => {
    await cli("SLOWLOG", "RESET");
    await cli("SET", "customer:4711", "hunter2".repeat(100));
    await cli("DEBUG", "SLEEP", "0.12");
    const known = (await servers.asked.json("SLOWLOG", "GET", "100")) as [
      ...[number, number, number, string[], string, string],
    ][];
    const answer = await ask("slowlog", { limit: 100 });
    expect(JSON.stringify(answer)).not.toMatch(/4711|hunter2/);
    const entries = rowsOf(answer, "entries");
    expect(entries[0]).toMatchObject({
      command: "DEBUG SLEEP",
      argumentCount: 1,
      argumentBytes: 4,
    });
    const set = known.find(([, , , given]) => given[0] === "SET");
    expect(entries.find(({ command }) => command === "SET")).toMatchObject({
      ...{ durationMs: Number(set?.[2]) / 1000, client: set?.[4], clientName: "" },
      ...{ argumentCount: 2, argumentBytes: 713, largestArgumentBytes: 700 },
    });
    const durations = entries.map(({ durationMs }) => Number(durationMs));
    expect(durations).toEqual(durations.toSorted((a, b) => b - a));
    expect(Number(durations[0])).toBeGreaterThanOrEqual(120);
    expect(answer).toMatchObject({ isOn: true, thresholdMs: 0, mostEntries: 128 });
    expect(rowsOf(await ask("slowlog", { newest: 1 }), "entries")).toHaveLength(1);
    expect(await ask("slowlog", { newest: 1 })).toMatchObject({ incomplete: true });
    expect(await findingsOf()).toContain(
      "Commands took 100 ms and more within the last hour, while all others waited.",
    );
  },
);

test.runIf(isChecked)(
  "clients: who waits, listens and watches, as redis-cli lists them",
  async () => {
    servers.asked.begin("BLPOP", "no-such-list-of-ours", "0");
    servers.asked.begin("SUBSCRIBE", "a", "b");
    servers.asked.begin("MONITOR");
    const list = async (): Promise<string> => await cli("CLIENT", "LIST");
    await until("the clients", async () => /cmd=monitor/.test(await list()));
    await until(
      "the clients",
      async () => /flags=b.*\n/.test(await list()) && /sub=2/.test(await list()),
    );
    const answer = await ask("clients");
    const known = new Map(
      (await list()).split("\n").map((line) => [/^id=(\d+)/.exec(line)?.[1], line]),
    );
    const clients = rowsOf(answer, "clients");
    const [blocked] = clients.filter(({ isBlocked }) => isBlocked);
    expect(blocked).toMatchObject({
      lastCommand: "blpop",
      kind: "normal",
      database: 0,
      user: "default",
    });
    expect(known.get(String(blocked?.["id"]))).toMatch(/ cmd=blpop /);
    expect(clients.find(({ kind }) => kind === "pubsub")).toMatchObject({ subscriptions: 2 });
    expect(clients.find(({ kind }) => kind === "monitor")).toMatchObject({
      lastCommand: "monitor",
    });
    for (const { id, address } of clients.filter(
      ({ lastCommand }) => lastCommand !== "client|list",
    )) {
      if (known.has(String(id)))
        expect(known.get(String(id))).toContain(` addr=${String(address)} `);
    }
    expect(answer).toMatchObject({ blockedCount: 1, monitorCount: 1, unreadableCount: 0 });
    expect(JSON.stringify(answer)).not.toContain("no-such-list-of-ours");
    expect(rowsOf(await ask("clients", { blocked: true }), "clients")).toHaveLength(1);
    expect(await ask("clients", { kind: "monitor" })).toMatchObject({ matchCount: 1 });
    const sizes = clients.map(({ memoryBytes }) => Number(memoryBytes));
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
    expect(await findingsOf()).toEqual(
      expect.arrayContaining([
        "Clients wait in blocking commands; those of a queue do as a rule.",
        "Somebody watches every command by MONITOR, which slows Redis.",
      ]),
    );
  },
);

test.runIf(isChecked)("memory: parts, keys and databases, as redis-cli has them", async () => {
  const answer = await ask("memory");
  const known = (await servers.asked.json("MEMORY", "STATS")) as Record<string, number>;
  const parts = new Map(rowsOf(answer, "parts").map(({ part, bytes }) => [part, bytes]));
  expect(parts.get("start of the server")).toBe(known["startup.allocated"]);
  expect(parts.get("functions")).toBe(known["functions.caches"]);
  expect(parts.get("replication backlog")).toBe(known["replication.backlog"]);
  expect(answer).toMatchObject({
    ...{ keys: known["keys.count"], systemBytes: Number(await info("total_system_memory")) },
    ...{ isMaybeSwapped: false, maxMemoryBytes: null, incomplete: false },
  });
  expect(
    rowsOf(answer, "databases")
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual(["db0", "db5"]);
  const sizes = rowsOf(answer, "parts").map(({ bytes }) => Number(bytes));
  expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
  expect(answer["advice"]).toBe((await cli("MEMORY", "DOCTOR")).trim());
});

test.runIf(isChecked)(
  "latency: spikes and the time of commands, as redis-cli has them",
  async () => {
    await cli("DEBUG", "SLEEP", "0.15");
    const answer = await ask("latency", { limit: 200 });
    const [[event, , last, longest]] = (await servers.asked.json("LATENCY", "LATEST")) as [
      [string, number, number, number],
    ];
    expect(rowsOf(answer, "events")[0]).toMatchObject({ event, lastMs: last, longestMs: longest });
    expect(answer).toMatchObject({ isMonitored: true, thresholdMs: 5, incomplete: false });
    const stats = await info("cmdstat_lpush");
    const shown = rowsOf(answer, "commands").find(({ command }) => command === "lpush");
    expect(shown).toMatchObject({ calls: 1, failedCalls: 1, rejectedCalls: 0 });
    expect(stats).toContain("calls=1,");
    expect(rowsOf(answer, "commands")[0]).toMatchObject({ command: "debug" });
    expect(rowsOf(await ask("latency", { limit: 2 }), "commands")).toHaveLength(2);
    expect(await findingsOf()).toContain("Redis stood still for a moment within the last hour.");
  },
);

test.runIf(isChecked)("replication: a pair from both sides, and a link that breaks", async () => {
  expect(await ask("replication")).toMatchObject({ role: "primary", replicas: [], primaries: [] });
  await servers.other.cli("REPLICAOF", "127.0.0.1", "6379");
  await until("the replica", async () => /state=online/.test(await info("slave0")));
  await cli("SET", "after", "1");
  const primary = await ask("replication");
  expect(rowsOf(primary, "replicas")).toMatchObject([
    { address: "127.0.0.1:6380", state: "online" },
  ]);
  expect(primary["backlog"]).toMatchObject({ isOn: true, bytes: 1_048_576 });
  await servers.other.cli("REPLICAOF", "NO", "ONE");
  await cli("REPLICAOF", "127.0.0.1", "6380");
  await until("the link", async () => (await info("master_link_status")) === "up");
  const replica = await ask("replication");
  expect(replica).toMatchObject({
    ...{ role: "replica", replicas: [], replicasToWrite: 0 },
    primaries: [
      ...[{ address: "127.0.0.1:6380", link: "up", state: "connected", isReadOnly: true }],
    ],
  });
  await servers.other.cli("CONFIG", "SET", "requirepass", "x");
  await servers.other.cli("-a", "x", "CLIENT", "KILL", "TYPE", "replica");
  await until("the break", async () => (await info("master_link_status")) === "down");
  const broken = rowsOf(await ask("replication"), "primaries");
  expect(broken).toMatchObject([{ link: "down" }]);
  expect(broken[0]?.["downSeconds"]).not.toBeNull();
  expect(await findingsOf()).toContain("The link of this replica to its primary is down.");
  await cli("REPLICAOF", "NO", "ONE");
});

test.runIf(isChecked)(
  "a server at its limit, that evicts or refuses, and that cannot save",
  async () => {
    const used = Number(await info("used_memory"));
    await cli("CONFIG", "SET", "maxmemory", String(used - 100_000));
    expect(await cli("SET", "more", "x")).toContain("OOM");
    const full = await ask("memory");
    expect(full).toMatchObject({ evictionPolicy: "noeviction" });
    expect(Number(full["limitPercent"])).toBeGreaterThan(99);
    const findings = await findingsOf();
    expect(findings).toContain("Redis is at its memory limit and refuses writes.");
    expect(findings).toContain("Redis refused commands since its memory was at the limit.");
    await cli("CONFIG", "SET", "maxmemory", "0");
    rmSync(servers.asked.dataFolder, { recursive: true });
    await cli("CONFIG", "SET", "save", "3600 1");
    await cli("BGSAVE");
    await until("the save", async () => (await info("rdb_last_bgsave_status")) === "err");
    expect(await cli("SET", "a", "b")).toContain("MISCONF");
    const answer = await ask("overview");
    expect(answer["persistence"]).toMatchObject({
      isOn: true,
      isSaveFailing: true,
      savePoints: "3600 1",
    });
    expect(await findingsOf()).toEqual(
      expect.arrayContaining([
        "The last snapshot of Redis to disk failed; by default it then refuses writes.",
        "Redis refused writes since it cannot save to disk.",
      ]),
    );
    await cli("CONFIG", "SET", "save", "");
    await cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    await cli("DEBUG", "POPULATE", "2000", "filler", "1000");
    await cli("CONFIG", "SET", "maxmemory", String(Number(await info("used_memory")) - 500_000));
    await until("evictions", async () => Number(await info("evicted_keys")) > 0);
    expect((await findingsOf()).some((one) => /evict/.test(one))).toBe(true);
    await cli("CONFIG", "SET", "maxmemory", "0");
  },
);

test.runIf(isChecked)("the scrubber leaves what is read as it is", async () => {
  for (const probe of Object.keys(pack.manifest.probes)) {
    const reads = await pack.read(probe);
    const run = { deadline: Infinity, now: () => 0, counts: new Map<string, number>() };
    expect(scrub(reads, run), probe).toEqual(reads);
  }
});

test.runIf(isChecked)(
  "a server that took no more clients, while it does not and later",
  async () => {
    await cli("CONFIG", "SET", "maxclients", "12");
    const waiting = Array.from({ length: 12 }, () => servers.asked.begin("BLPOP", "none", "0"));
    const isRefused = async (): Promise<boolean> =>
      await cli("PING").then(
        (said) => said !== "PONG",
        () => true,
      );
    await until("a refusal", isRefused);
    await expect(ask("overview")).rejects.toThrow(/max number of clients|\(maxclients\)/);
    for (const client of waiting) client.kill("SIGKILL");
    await until("their end", async () => !(await isRefused()));
    const answer = await ask("overview");
    expect(answer["rejectedConnections"]).toBe(Number(await info("rejected_connections")));
    expect(Number(answer["rejectedConnections"])).toBeGreaterThan(0);
    expect(
      (await findingsOf()).some((one) => /^Redis (has refused|refuses) connections/.test(one)),
    ).toBe(true);
  },
);

test.runIf(isChecked)("all is answered by the modest user that the README describes", async () => {
  const readme = readFileSync(join(workspace, "packs/redis/README.md"), "utf8");
  const [line = ""] = /^ACL SETUSER .*$/m.exec(readme) ?? [];
  expect(await cli(...line.split(" "))).toBe("OK");
  expect(await cli("GET", "key-0")).toContain("NOPERM");
  for (const probe of Object.keys(pack.manifest.probes)) {
    expect(await ask(probe), probe).toMatchObject({ incomplete: false });
  }
});
