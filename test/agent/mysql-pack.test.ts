import { setTimeout as sleep } from "node:timers/promises";
import { findFreePort } from "@sonde/database/testing";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { isCheckedHere } from "../hosts/requirements.ts";
import { until } from "../product/start-product.ts";
import { type AskedPack, openAskedPack } from "./ask-pack.ts";
import { MARIADB_PROGRAMS, type TestMariadb, startTestMariadb } from "./start-mariadb.ts";

// What sonde/mysql says of servers of this test, read by a real runner, and what Debian's client knows
// of the same. One server is as Debian sets it up, and follows the other, which counts statements. The
// socket is put where the pack looks, which needs root. MySQL is in no release of Debian, and
// not tested.

const isChecked = isCheckedHere("sonde/mysql", { ...MARIADB_PROGRAMS, unshare: "util-linux" });

type Fields = Record<string, unknown>;
let server: TestMariadb;
let follower: TestMariadb;
let pack: AskedPack;
let atFollower: AskedPack;
let port: number;

beforeAll(async () => {
  if (!isChecked) return;
  port = await findFreePort();
  [server, follower] = await Promise.all([
    startTestMariadb([
      ...["performance-schema=ON", "log-bin=binlog", "server-id=1", "max-connections=60"],
      ...["performance-schema-instrument=wait/lock/metadata/sql/mdl=ON", "skip-networking=0"],
      ...[
        "bind-address=127.0.0.1",
        `port=${port}`,
        "performance-schema-digests-size=500",
        "innodb-lock-wait-timeout=600",
        "skip-name-resolve",
      ],
    ]),
    startTestMariadb(["server-id=2"]),
  ]);
  for (const one of [server, follower]) {
    await one.ask(`CREATE USER 'nobody'@'localhost' IDENTIFIED VIA unix_socket;
      GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO 'nobody'@'localhost';
      GRANT SELECT ON performance_schema.* TO 'nobody'@'localhost'`);
  }
  await server.ask(`CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY, note TEXT);
    INSERT INTO shop.orders SELECT seq, REPEAT('x', 50) FROM mysql.seq_1_to_400`);
  [pack, atFollower] = await Promise.all([
    openAskedPack("mysql", server.mounts),
    openAskedPack("mysql", follower.mounts),
  ]);
}, 90_000);
afterAll(async () => {
  await pack?.close();
  await atFollower?.close();
  await server?.close();
  await follower?.close();
});

const ask = async (probe: string, params: Fields = {}): Promise<Fields> =>
  (await pack.ask(probe, params)) as Fields;
const rowsOf = (answer: Fields, list: string): Fields[] => answer[list] as Fields[];

/** The server's counters, as its client has them. */
async function statusOf(
  of: TestMariadb,
  what: "STATUS" | "VARIABLES",
): Promise<Map<string, number>> {
  const rows = await of.ask(`SHOW GLOBAL ${what}`);
  return new Map(rows.map((row) => [row["Variable_name"] ?? "", Number(row["Value"])]));
}

describe.runIf(isChecked)("sonde/mysql", () => {
  /** A connection that just ends, or lets nobody in yet, is counted for a moment. */
  const askOverview = (connections: number): Promise<Fields> =>
    until(`${connections} connections`, async () => {
      const answer = await ask("overview");
      return answer["connections"] === connections && answer;
    });

  test("overview: release, connections and counters, as the client knows them", async () => {
    const before = await statusOf(server, "STATUS");
    const answer = await askOverview(0);
    const after = await statusOf(server, "STATUS");
    const [version] = await server.ask("SELECT VERSION() AS v");
    expect(answer).toMatchObject({
      ...{ version: version?.["v"], product: "MariaDB", connections: 0, mostConnections: 60 },
      ...{ countsStatements: true, binlogOn: true, syncsBinlog: false, readOnly: false },
      ...{ waitingForRowLocks: 0, waitingForTableLocks: 0, oldestTransactionSeconds: null },
    });
    const within = (value: unknown, name: string) => {
      expect(value, name).toBeGreaterThanOrEqual(before.get(name) ?? Number.NaN);
      expect(value, name).toBeLessThanOrEqual(after.get(name) ?? Number.NaN);
    };
    within(answer["upSeconds"], "Uptime");
    within(answer["mostUsedConnections"], "Max_used_connections");
    within(answer["undoEntries"], "Innodb_history_list_length");
    const counted = answer["sinceStart"] as Fields;
    within(counted["deadlocks"], "Innodb_deadlocks");
    within(counted["failedLogins"], "Aborted_connects");
    within(counted["brokenOffClients"], "Aborted_clients");
    const open = await Promise.all([server.open(), server.open()]);
    expect(await askOverview(2)).toMatchObject({ connectionsPercent: 3.3 });
    await Promise.all(open.map((session) => session.close()));
  });

  test("locks: twelve sessions that one holds up, for a row, and two for the table", async () => {
    const holder = await server.open();
    const sessions = await Promise.all(Array.from({ length: 14 }, () => server.open()));
    onTestFinished(async () => {
      for (const session of [holder, ...sessions]) await session.close();
    });
    await holder.ask(
      "USE shop; BEGIN; UPDATE orders SET note = 'secret-of-the-holder' WHERE id = 1",
    );
    const [alters, reader, ...waiters] = sessions;
    const pending = waiters.map((session) =>
      session.ask("USE shop; UPDATE orders SET note = 'of a waiter' WHERE id = 1"),
    );
    // The server keeps what it knows of transactions until nobody has asked for 0.1 s, so that questions
    // agree.
    const untilTold = () => sleep(200);
    const countRowWaits = async () => {
      await untilTold();
      const waiting =
        "SELECT trx_id FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'";
      return (await server.ask(waiting)).length;
    };
    await until("twelve waiting sessions", async () => (await countRowWaits()) === 12);
    pending.push(
      alters?.ask("USE shop; ALTER TABLE orders ADD COLUMN more INT") ?? Promise.resolve([]),
    );
    const countTableWaits = async () =>
      (
        await server.ask(
          "SELECT id FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock'",
        )
      ).length;
    await until("a session that waits for the table", async () => (await countTableWaits()) === 1);
    pending.push(
      reader?.ask("USE shop; SELECT COUNT(*) AS n FROM orders WHERE note = 'of a reader'") ??
        Promise.resolve([]),
    );
    await until("two that wait for the table", async () => (await countTableWaits()) === 2);

    const answer = await ask("locks", { limit: 100 });
    expect(rowsOf(answer, "roots")).toMatchObject([
      {
        id: holder.id,
        holdsUp: 14,
        state: "idle in transaction",
        database: "shop",
        user: "owner",
        client: null,
      },
    ]);
    expect(answer).toMatchObject({
      waitingCount: 14,
      tableHoldersUnknown: null,
      incomplete: false,
    });
    const told = new Map(rowsOf(answer, "waiting").map((row) => [row["id"], row]));
    const known =
      await server.ask(`SELECT r.trx_mysql_thread_id AS waiter, b.trx_mysql_thread_id AS blocker
      FROM information_schema.innodb_lock_waits w
      JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_trx_id
      JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id`);
    for (const { waiter, blocker } of known) {
      expect(told.get(Number(waiter))).toMatchObject({
        table: "shop.orders",
        index: "PRIMARY",
        lock: "row: X",
      });
      expect(told.get(Number(waiter))?.["blockedBy"]).toContain(Number(blocker));
    }
    expect(told.get(alters?.id)).toMatchObject({ lock: "table: EXCLUSIVE", table: "shop.orders" });
    expect(told.get(alters?.id)?.["blockedBy"]).toContain(holder.id);
    expect(told.get(reader?.id)).toMatchObject({ blockedBy: [alters?.id] });
    for (const row of told.values()) {
      expect(row["waitSeconds"]).toBeGreaterThanOrEqual(0);
      expect(row["waitSeconds"]).toBeLessThan(300);
    }
    // Values of others' statements stay on the host.
    expect(JSON.stringify(answer)).not.toContain("of a");
    expect(JSON.stringify(answer)).toContain("UPDATE orders SET note = ? WHERE id = ?");

    const activity = await ask("activity", { state: "idle in transaction" });
    expect(rowsOf(activity, "sessions")).toMatchObject([{ id: holder.id, rowsModified: 1 }]);
    expect(activity).toMatchObject({
      counts: [{ state: "idle in transaction", user: "owner", database: "shop", count: 1 }],
    });
    // InnoDB tells times by the clock of the host, which is hours from UTC here.
    const [oldest] = rowsOf(activity, "sessions");
    expect(oldest?.["transactionSeconds"]).toBeLessThan(300);
    expect(await askOverview(15)).toMatchObject({
      waitingForRowLocks: 12,
      waitingForTableLocks: 2,
    });
    const { findings } = await pack.diagnose();
    expect(findings.map(({ finding }) => finding)).toContain(
      "One session holds up many others by its locks.",
    );

    await holder.ask("ROLLBACK");
    await Promise.all(pending);
    await until("nobody waits", async () => {
      await untilTold();
      return (await ask("locks"))["waitingCount"] === 0;
    });
    expect(await ask("locks")).toMatchObject({ roots: [], waiting: [] });
  }, 60_000);

  test("statements: the costliest as the client has them, without values", async () => {
    const session = await server.open();
    for (let n = 0; n < 5; n++) {
      await session.ask(
        `SELECT COUNT(*) AS n FROM shop.orders WHERE note = 'value-${n}' AND SLEEP(0.0001) = 0`,
      );
    }
    const known = await server.ask(`SELECT DIGEST, COUNT_STAR, SUM_ROWS_EXAMINED, SUM_TIMER_WAIT
      FROM performance_schema.events_statements_summary_by_digest WHERE DIGEST_TEXT LIKE '%SLEEP%' AND DIGEST_TEXT LIKE 'SELECT COUNT%'`);
    const answer = await ask("statements", { limit: 100 });
    const found = rowsOf(answer, "statements").find(({ id }) => id === known[0]?.["DIGEST"]);
    expect(found).toMatchObject({
      ...{ calls: 5, rowsSent: 5, rowsExamined: Number(known[0]?.["SUM_ROWS_EXAMINED"]) },
      ...{
        totalMs: Math.round(Number(known[0]?.["SUM_TIMER_WAIT"]) / 1e6) / 1000,
        callsWithoutIndex: 5,
      },
    });
    expect(JSON.stringify(answer)).not.toContain("value-");
    const times = rowsOf(answer, "statements").map(({ totalMs }) => Number(totalMs));
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    expect(answer["notCounted"]).toBeNull();
    const few = await ask("statements", { limit: 2 });
    expect(few).toMatchObject({ incomplete: true });
    expect(rowsOf(few, "statements")).toHaveLength(2);
  });

  test("a server as Debian sets it up counts no statements, and the answer says what turns that on", async () => {
    const answer = (await atFollower.ask("statements")) as Fields;
    expect(answer).toMatchObject({ statements: [], incomplete: false });
    expect(answer["notCounted"]).toContain("performance_schema=ON");
    const held = (await atFollower.ask("locks")) as Fields;
    expect(held).toMatchObject({ roots: [], waiting: [] });
    expect(held["tableHoldersUnknown"]).toContain("performance_schema=ON");
    const { unseen } = await atFollower.diagnose();
    expect(JSON.stringify(unseen)).toContain("The server does not count its statements.");
  });

  test("buffers: sizes and hits, as the client knows them", async () => {
    const set = await statusOf(server, "VARIABLES");
    const before = await statusOf(server, "STATUS");
    const answer = await ask("buffers");
    const after = await statusOf(server, "STATUS");
    const pool = answer["pool"] as Fields;
    expect(pool["bytes"]).toBe(set.get("innodb_buffer_pool_size"));
    const around = (value: unknown, name: string) => {
      const [low, high] = [before.get(name) ?? Number.NaN, after.get(name) ?? Number.NaN];
      expect(value, name).toBeGreaterThanOrEqual(Math.min(low, high));
      expect(value, name).toBeLessThanOrEqual(Math.max(low, high));
    };
    around(pool["dataBytes"], "Innodb_buffer_pool_bytes_data");
    around(pool["diskReads"], "Innodb_buffer_pool_reads");
    const [requests, reads] = ["Innodb_buffer_pool_read_requests", "Innodb_buffer_pool_reads"].map(
      (name) => after.get(name) ?? Number.NaN,
    );
    expect(
      Math.abs(Number(pool["hitPercent"]) - (1 - (reads ?? 0) / (requests ?? 1)) * 100),
    ).toBeLessThan(1);
    const redo = answer["redo"] as Fields;
    expect(redo["capacityBytes"]).toBe(set.get("innodb_log_file_size"));
    const tables = answer["tables"] as Fields;
    expect(tables["mostOpen"]).toBe(set.get("table_open_cache"));
    const [instance] = pool["instances"] as Fields[];
    const [known] = await server.ask(
      "SELECT POOL_SIZE FROM information_schema.INNODB_BUFFER_POOL_STATS",
    );
    expect(instance).toMatchObject({ id: 0, pages: Number(known?.["POOL_SIZE"]) });
  });

  test("replication: who follows, what runs, and what stopped it", async () => {
    await server.ask(
      "CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'not shown'; GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'",
    );
    const [position] = await server.ask("SHOW MASTER STATUS");
    await follower.ask(`CREATE DATABASE shop; CREATE TABLE shop.notes (id INT PRIMARY KEY); INSERT INTO shop.notes VALUES (4711);
      CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${port}, MASTER_USER='repl', MASTER_PASSWORD='not shown',
      MASTER_LOG_FILE='${position?.["File"]}', MASTER_LOG_POS=${position?.["Position"]}; START SLAVE`);
    const follow = async () => (await atFollower.ask("replication")) as Fields;
    const isRunning = async () => {
      const [one] = rowsOf(await follow(), "sources");
      return one?.["reads"] === "Yes" && one["applies"] === true;
    };
    await until("a follower", isRunning);
    expect(await follow()).toMatchObject({
      ...{ sourcesNotRead: null, replicas: [], binlog: { on: false, files: null, bytes: null } },
      sources: [
        {
          name: "",
          host: "127.0.0.1",
          port,
          behindSeconds: 0,
          readErrorNumber: 0,
          applyErrorNumber: 0,
        },
      ],
    });
    const logs = await server.ask("SHOW BINARY LOGS");
    const answer = await ask("replication");
    expect(answer).toMatchObject({
      ...{ sources: [], sourcesNotRead: null, incomplete: false },
      replicas: [{ user: "repl", client: "127.0.0.1" }],
      binlog: {
        on: true,
        files: logs.length,
        bytes: logs.reduce((sum, row) => sum + Number(row["File_size"]), 0),
      },
    });
    // A row that the follower has already stops it.
    await server.ask(
      "CREATE TABLE IF NOT EXISTS shop.notes (id INT PRIMARY KEY); INSERT INTO shop.notes VALUES (4711)",
    );
    await until(
      "a stopped follower",
      async () => rowsOf(await follow(), "sources")[0]?.["applies"] === false,
    );
    const stopped = await follow();
    const [known] = await follower.ask("SHOW SLAVE STATUS");
    expect(known?.["Last_SQL_Error"]).toContain("4711");
    expect(rowsOf(stopped, "sources")).toMatchObject([
      {
        reads: "Yes",
        applies: false,
        behindSeconds: null,
        applyErrorNumber: Number(known?.["Last_SQL_Errno"]),
      },
    ]);
    expect(JSON.stringify(stopped)).not.toContain("4711");
    const { findings } = await atFollower.diagnose();
    expect(findings.map(({ finding }) => finding)).toContain(
      "This server no longer applies changes of the server that it follows.",
    );
  }, 60_000);

  test("an account that may not ask whom the server follows is told so, beside the rest", async () => {
    await follower.ask("REVOKE SLAVE MONITOR ON *.* FROM 'nobody'@'localhost'");
    onTestFinished(
      async () => void (await follower.ask("GRANT SLAVE MONITOR ON *.* TO 'nobody'@'localhost'")),
    );
    const answer = (await atFollower.ask("replication")) as Fields;
    expect(answer).toMatchObject({ sources: [], replicas: [], incomplete: true });
    expect(answer["sourcesNotRead"]).toContain("GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR");
  });
});
