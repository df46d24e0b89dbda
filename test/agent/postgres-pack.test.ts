import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Sql } from "postgres";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { isCheckedHere } from "../hosts/requirements.ts";
import { until } from "../product/start-product.ts";
import { type AskedPack, openAskedPack } from "./ask-pack.ts";
import { type BusyPostgres, startBusyPostgres } from "./busy-postgres.ts";

// What sonde/postgres says of a server of this test, read by a real runner, and what another
// connection knows of the same. The socket is put where the pack looks, which needs root.

const isChecked = isCheckedHere("sonde/postgres", {
  unshare: "util-linux",
  psql: "postgresql-client",
});
const run = promisify(execFile);

type Fields = Record<string, unknown>;
let server: BusyPostgres;
let pack: AskedPack;
let owner: Sql;
beforeAll(async () => {
  if (!isChecked) return;
  server = await startBusyPostgres();
  owner = server.open("postgres");
  // It connects with its first statement, and is counted from then on.
  await owner`SELECT 1`;
  pack = await openAskedPack("postgres", server.mounts);
}, 60_000);
afterAll(async () => {
  if (!isChecked) return;
  await pack?.close();
  await server?.close();
});

const ask = async (probe: string, params: Fields = {}): Promise<Fields> =>
  (await pack.ask(probe, params)) as Fields;
const rowsOf = (answer: Fields, list: string): Fields[] => answer[list] as Fields[];

test.runIf(isChecked)(
  "overview: release, connections and databases, as another connection knows them",
  async () => {
    const answer = await ask("overview");
    const [known] = await owner`SELECT version() AS version,
    (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend'
        AND application_name <> 'sonde') AS sessions`;
    expect(answer).toMatchObject({
      ...{ version: known?.["version"], connections: known?.["sessions"], mostConnections: 60 },
      ...{ isStandby: false, autovacuumOn: true, waitingForLocks: 0, incomplete: false },
      // 60 less the 3 that superusers have for themselves.
      connectionsPercent: Math.round((Number(known?.["sessions"]) / 57) * 1000) / 10,
    });
    const sizes = await owner`SELECT datname AS name, pg_database_size(oid)::int AS bytes,
    age(datfrozenxid)::int AS "xidAge" FROM pg_database ORDER BY datname`;
    const told = rowsOf(answer, "databases").map(({ name, bytes, xidAge }) => ({
      name,
      bytes,
      xidAge,
    }));
    expect(told.toSorted((a, b) => (String(a.name) < String(b.name) ? -1 : 1))).toEqual([...sizes]);
  },
);

test.runIf(isChecked)(
  "locks: twenty sessions that one holds up, directly and over others",
  async () => {
    const holder = server.open("shop");
    const waiters = Array.from({ length: 20 }, () => server.open("shop"));
    const [pid] = await holder`SELECT pg_backend_pid()::int AS pid`;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    onTestFinished(() => release());
    const isHeld = new Promise<void>((resolve) => {
      void holder.begin(async (sql) => {
        await sql`UPDATE orders SET note = 'secret-of-the-holder' WHERE id = 1`;
        resolve();
        await held;
      });
    });
    await isHeld;
    const updates = waiters.map((sql) =>
      sql.unsafe(`UPDATE orders SET note = 'of a waiter' WHERE id = 1`).execute(),
    );
    const countWaiting = async () =>
      (await owner`SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'`).length;
    await until("twenty waiting sessions", async () => (await countWaiting()) === 20);
    const answer = await ask("locks", { database: "shop", limit: 100 });
    expect(rowsOf(answer, "roots")).toMatchObject([
      {
        pid: pid?.["pid"],
        holdsUp: 20,
        state: "idle in transaction",
        database: "shop",
        user: "owner",
      },
    ]);
    expect(answer).toMatchObject({ waitingCount: 20, incomplete: false });
    const known = await owner`SELECT pid::int, pg_blocking_pids(pid) AS "by" FROM pg_stat_activity
    WHERE wait_event_type = 'Lock'`;
    const told = new Map(rowsOf(answer, "waiting").map((row) => [row["pid"], row]));
    for (const { pid: waiter, by } of known) {
      expect(told.get(waiter)?.["blockedBy"]).toEqual([...new Set(by as number[])]);
    }
    const relations = new Set(rowsOf(answer, "waiting").map((row) => row["relation"]));
    expect([...relations].toSorted()).toEqual([null, "orders"]);
    // Values of others' statements stay on the host.
    expect(JSON.stringify(answer)).not.toContain("of a waiter");
    expect(JSON.stringify(answer)).toContain("UPDATE orders SET note = ? WHERE id = ?");
    const { findings } = await pack.diagnose();
    expect(findings.map(({ finding }) => finding)).toContain(
      "One session holds up many others by its locks.",
    );
    release();
    await Promise.all(updates);
    expect(await ask("locks", { database: "shop" })).toMatchObject({ roots: [], waiting: [] });
  },
);

test.runIf(isChecked)(
  "vacuum: dead rows of a table, and who keeps them from being removed",
  async () => {
    const old = server.open("shop");
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    onTestFinished(() => release());
    let pid = 0;
    const isHeld = new Promise<void>((resolve) => {
      void old.begin("isolation level repeatable read", async (sql) => {
        const [row] = await sql`SELECT pg_backend_pid()::int AS pid, count(*) FROM orders`;
        pid = Number(row?.["pid"]);
        resolve();
        await held;
      });
    });
    await isHeld;
    const shop = server.open("shop");
    await shop.unsafe("BEGIN; CREATE TABLE prepared_here (); PREPARE TRANSACTION 'left'");
    const tablesOf = async () => rowsOf(await ask("vacuum", { database: "shop" }), "tables");
    await until("the counters", async () =>
      (await tablesOf()).some(
        ({ table, deadRows }) => table === "public.orders" && Number(deadRows) >= 300,
      ),
    );
    const answer = await ask("vacuum", { database: "shop", limit: 1 });
    const [known] = await shop`SELECT n_live_tup::int AS live, n_dead_tup::int AS dead
    FROM pg_stat_user_tables WHERE relname = 'orders'`;
    expect(rowsOf(answer, "tables")).toMatchObject([
      {
        table: "public.orders",
        liveRows: known?.["live"],
        deadRows: known?.["dead"],
        vacuumedSecondsAgo: null,
      },
    ]);
    const holders = rowsOf(answer, "holders");
    expect(holders.find(({ kind }) => kind === "session")).toMatchObject({
      ...{ id: String(pid), detail: "idle in transaction" },
    });
    expect(holders.find(({ kind }) => kind === "prepared transaction")).toMatchObject({
      ...{ id: "left", detail: "shop" },
    });
    await shop`ROLLBACK PREPARED 'left'`;
    const activity = rowsOf(await ask("activity", { state: "idle in transaction" }), "sessions");
    expect(activity.map((row) => row["pid"])).toContain(pid);
    release();
  },
);

test.runIf(isChecked)(
  "replication: a slot that nobody reads, and archiving that fails",
  async () => {
    await owner`SELECT pg_create_physical_replication_slot('gone', true)`;
    onTestFinished(async () => void (await owner`SELECT pg_drop_replication_slot('gone')`));
    await owner`CREATE TABLE filler (); DROP TABLE filler`.simple();
    await owner`SELECT pg_switch_wal()`;
    await until(
      "a failed attempt to archive",
      async () =>
        Number((await owner`SELECT failed_count FROM pg_stat_archiver`)[0]?.["failed_count"]) > 0,
    );
    const answer = await ask("replication");
    expect(answer).toMatchObject({
      ...{ isStandby: false, notReplayedBytes: null, replicas: [] },
      slots: [{ name: "gone", type: "physical", active: false, walStatus: "reserved" }],
      archiving: { mode: "on", archivedCount: 0, isFailing: true, archivedSecondsAgo: null },
    });
    const [known] =
      await owner`SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::int AS kept
    FROM pg_replication_slots`;
    expect(
      Math.abs(Number(rowsOf(answer, "slots")[0]?.["keptBytes"]) - Number(known?.["kept"])),
    ).toBeLessThan(1e6);
  },
);

/** What `psql` is told over a connection of its own. */
const psql = async (statement: string): Promise<string[]> => {
  const args = [
    "-X",
    "-A",
    "-t",
    "-F",
    "|",
    "-h",
    server.socketDir,
    "-U",
    "owner",
    "-d",
    "postgres",
  ];
  const { stdout } = await run("psql", [...args, "-c", statement]);
  return stdout.trim().split("|");
};

test.runIf(isChecked)(
  "wal: what is written, what is kept and by whom, and checkpoints, as psql knows them",
  async () => {
    await owner`SELECT pg_create_physical_replication_slot('aside', true)`;
    onTestFinished(async () => void (await owner`SELECT pg_drop_replication_slot('aside')`));
    await owner`CREATE TABLE written AS SELECT n, repeat('y', 100) AS y FROM generate_series(1, 20000) n`;
    onTestFinished(async () => void (await owner`DROP TABLE written`));
    // A second one is older than the first, and keeps more.
    await owner`SELECT pg_create_physical_replication_slot('behind', true)`;
    onTestFinished(async () => void (await owner`SELECT pg_drop_replication_slot('behind')`));
    await owner`CHECKPOINT`;
    await owner`SELECT pg_switch_wal()`;
    const isReady = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name ~ 'ready$'";
    await until(
      "a file that waits and an attempt to archive it",
      async () =>
        Number((await psql(isReady))[0]) > 0 &&
        (await psql("SELECT failed_count > 0 FROM pg_stat_archiver"))[0] === "t",
    );
    const answer = await ask("wal");
    const [bytes, files, ready, failing, level] = await psql(
      `SELECT (SELECT sum(size) FROM pg_ls_waldir()), (SELECT count(*) FROM pg_ls_waldir()), (${isReady}),
        (SELECT last_failed_wal FROM pg_stat_archiver), current_setting('wal_level')`,
    );
    expect(answer).toMatchObject({
      ...{ isStandby: false, level, incomplete: false, maxSlotWalKeepSizeBytes: null },
      ...{ maxWalSizeBytes: 2 ** 30, walKeepSizeBytes: 0 },
      directory: {
        ...{ bytes: Number(bytes), fileCount: Number(files), waitingForArchive: Number(ready) },
        percentOfMaxWalSize: Math.round((Number(bytes) / 2 ** 30) * 1000) / 10,
      },
      archiving: { mode: "on", isFailing: true, lastFailed: failing, lastArchived: null },
      slots: [
        { name: "aside", active: false },
        { name: "behind", active: false },
      ],
      checkpoints: { timeoutSeconds: 300 },
    });
    const [kept] = await psql(
      `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) FROM pg_replication_slots WHERE slot_name = 'aside'`,
    );
    expect(Number(rowsOf(answer, "slots")[0]?.["keptBytes"])).toBeGreaterThan(2_000_000);
    expect(Math.abs(Number(rowsOf(answer, "slots")[0]?.["keptBytes"]) - Number(kept))).toBeLessThan(
      1e6,
    );
    const { counted, checkpoints } = answer as Record<string, Fields>;
    const [release] = await psql("SHOW server_version_num");
    const [timed, requested] = await psql(
      Number(release) < 170_000
        ? "SELECT checkpoints_timed, checkpoints_req FROM pg_stat_bgwriter"
        : "SELECT num_timed, num_requested FROM pg_stat_checkpointer",
    );
    const [written] = await psql("SELECT wal_bytes FROM pg_stat_wal");
    expect(checkpoints).toMatchObject({ timed: Number(timed), requested: Number(requested) });
    expect(Number(counted?.["bytes"])).toBeGreaterThan(2_000_000);
    expect(Number(counted?.["bytes"])).toBeLessThanOrEqual(Number(written));
  },
);

test.runIf(isChecked)("wal: a role that may not list the files of WAL", async () => {
  await owner`REVOKE EXECUTE ON FUNCTION pg_ls_waldir() FROM pg_monitor`;
  onTestFinished(
    async () => void (await owner`GRANT EXECUTE ON FUNCTION pg_ls_waldir() TO pg_monitor`),
  );
  expect(await ask("wal")).toMatchObject({ directory: null, incomplete: true, level: "replica" });
});

test.runIf(isChecked)("wal: what is written between two looks", async () => {
  const writer = server.open("shop");
  const position = async () =>
    Number((await psql("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"))[0]);
  let isAsked = true;
  const writes = (async () => {
    while (isAsked) await writer`SELECT pg_logical_emit_message(false, 'test', repeat('z', 50000))`;
  })();
  const start = await position();
  const { bytesPerSecond } = await ask("wal");
  const end = await position();
  isAsked = false;
  await writes;
  expect(Number(bytesPerSecond)).toBeGreaterThan(0);
  // The looks are about a second apart, and lie within.
  expect(Number(bytesPerSecond)).toBeLessThan(2 * (end - start));
  // Nothing has a rate of its own that is not written.
  expect(Number((await ask("wal"))["bytesPerSecond"])).toBeLessThan(Number(bytesPerSecond));
});

test.runIf(isChecked)(
  "tables, unused indexes and settings, of the database that is asked",
  async () => {
    const [known] = await server.open("shop")`SELECT relpages::int * 8192 AS heap,
    pg_indexes_size('orders')::int AS indexes FROM pg_class WHERE relname = 'orders'`;
    expect(rowsOf(await ask("tables", { database: "shop", limit: 1 }), "tables")).toMatchObject([
      {
        table: "public.orders",
        heapBytes: known?.["heap"],
        indexBytes: known?.["indexes"],
        rows: 400,
      },
    ]);
    expect(rowsOf(await ask("indexes.unused", { database: "shop" }), "indexes")).toMatchObject([
      { index: "public.orders_note", table: "orders", scans: 0, isValid: true },
    ]);
    expect(rowsOf(await ask("tables"), "tables")).toEqual([]);
    const settings = rowsOf(await ask("settings.changed"), "settings");
    expect(settings.find(({ name }) => name === "max_connections")).toMatchObject({
      ...{ value: "60", default: "100", waitsForRestart: false },
    });
    expect(settings.map(({ name }) => name)).not.toContain("archive_command");
  },
);

test.runIf(isChecked)(
  "a database that is not there, and an extension that is not, are said as such",
  async () => {
    await expect(ask("vacuum", { database: "missing" })).rejects.toThrow(/SOURCE_NOT_FOUND/);
    await expect(ask("statements")).rejects.toThrow(/CREATE EXTENSION pg_stat_statements/);
  },
);
