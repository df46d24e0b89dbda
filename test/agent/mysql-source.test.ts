import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { READ_ONLY_NAMES } from "../../foundation/sources/src/read-only-relations.ts";
import { renderMysqlQuestion } from "../../foundation/sources/src/index.ts";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { SqlSource } from "@sonde/schemas/manifest";
import type { RunnerOutcome } from "@sonde/schemas/reads";
import { isCheckedHere } from "../hosts/requirements.ts";
import { until } from "../product/start-product.ts";
import { type Asked, askSql, codeOf, dataOf, messageOf, statementOf } from "./ask-sql.ts";
import { MARIADB_PROGRAMS, type TestMariadb, startTestMariadb } from "./start-mariadb.ts";
import { createTestBench, type TestBench } from "./start-runner.ts";

// What a real runner gets from a real MariaDB. The runner's user is an account by `unix_socket`.
// MySQL is in no release of Debian, and not tested.

const isChecked = isCheckedHere("the source kind sql at MariaDB", MARIADB_PROGRAMS);

let bench: TestBench;
let server: TestMariadb;
/** The runner's account, as a name in SQL. */
let account: string;

beforeAll(async () => {
  if (!isChecked) return;
  server = await startTestMariadb([
    ...["log-bin=binlog", "log-bin-trust-function-creators=1"],
    "server-id=1",
  ]);
  await server.ask("CREATE DATABASE shop; CREATE TABLE shop.t (a int, b int)");
  bench = await createTestBench();
  bench.startRunner();
  await until("the runner", () => bench.link.runners().length === 1);
  const refused = await ask(ONE);
  const [, name] = /CREATE USER ('[^']+'@'localhost')/.exec(messageOf(refused)) ?? [];
  account = name ?? "";
  expect(messageOf(refused)).toContain("IDENTIFIED VIA unix_socket");
  // The sentence is what a person types.
  await server.ask(statementOf(refused));
}, 60_000);
afterAll(async () => {
  await bench?.close();
  await server?.close();
});

const ONE = "SELECT 1 AS one";

const ask = (statement: SqlSource["statement"], more: Asked = {}): Promise<RunnerOutcome> => {
  const { socket } = server;
  return askSql(
    bench,
    statement,
    { engine: "mysql", database: "information_schema", socket },
    more,
  );
};

let undo = "";
afterEach(async () => {
  if (undo !== "") await server.ask(undo);
  undo = "";
});

describe.runIf(isChecked)("a runner at MariaDB", () => {
  const VARIABLES =
    "SELECT variable_name, variable_value FROM information_schema.global_variables WHERE variable_name NOT LIKE 'gtid%' ORDER BY variable_name";

  test("every row and value as another client reads them, many more than come at once", async () => {
    const { records, truncated, serverVersion } = dataOf(await ask(VARIABLES));
    const known = await server.ask(VARIABLES);
    expect(known.length).toBeGreaterThan(200);
    expect(records.length).toBe(known.length);
    const plain = known.filter(({ variable_value }) => !/\\/.test(variable_value ?? ""));
    expect(records).toEqual(expect.arrayContaining(plain));
    expect(plain.length).toBeGreaterThan(known.length - 20);
    expect(truncated).toBe(false);
    const [version] = await server.ask("SELECT VERSION() AS v");
    const [, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)/.exec(version?.["v"] ?? "") ?? [];
    expect(serverVersion).toBe(Number(major) * 10000 + Number(minor) * 100 + Number(patch));
  });

  test("a value of each type is a text as the server spells it", async () => {
    await server.ask(`CREATE TABLE shop.kinds (a BIGINT UNSIGNED, b DECIMAL(20, 4), c DATETIME(3),
      d DOUBLE, e VARBINARY(20), f VARCHAR(20), g TIME, h TINYINT, i YEAR, j DATE, k JSON, l INT);
      INSERT INTO shop.kinds VALUES (18446744073709551615, -1234.5, '2026-01-02 03:04:05.678', 0.5,
      'bytes', 'Zoë', '-01:02:03', -7, 2026, '2026-01-02', '{"a":1}', NULL);
      GRANT SELECT ON shop.kinds TO ${account}`);
    undo = `REVOKE SELECT ON shop.kinds FROM ${account}; DROP TABLE shop.kinds`;
    const [row] = dataOf(await ask("SELECT * FROM shop.kinds")).records;
    const [known] = await server.ask("SELECT * FROM shop.kinds");
    expect(row).toEqual({ ...known, l: null });
    expect(row).toMatchObject({
      a: "18446744073709551615",
      f: "Zoë",
      c: "2026-01-02 03:04:05.678",
    });
  });

  test("caps cut between two rows, and say so", async () => {
    const whole = dataOf(await ask(VARIABLES)).records;
    const few = dataOf(await ask(VARIABLES, { maxRows: 41 }));
    expect(few).toMatchObject({ records: whole.slice(0, 41), truncated: true });
    const small = dataOf(await ask(VARIABLES, { maxBytes: 3000 }));
    expect(small.truncated).toBe(true);
    expect(small.records).toEqual(whole.slice(0, small.records.length));
  });

  // Attack 50.
  test("a hole is a bound parameter of its type, and no value becomes a part of the statement", async () => {
    const holes = {
      word: { type: "enum" as const, values: ["a", "b:c"] },
      count: { type: "integer" as const, minimum: 0, maximum: 9 },
      yes: { type: "boolean" as const },
      base: { type: "database-name" as const },
    };
    const statement = ["SELECT ", "word", " AS w, ", "count", " + 1 AS n, NOT ", "yes", " AS y, "];
    const values = { word: "b:c", count: "7", yes: "true", base: "performance_schema" };
    const outcome = await ask(
      [
        ...statement.map((part) => (Object.hasOwn(holes, part) ? { hole: part } : part)),
        "database() AS d",
      ].reduce<(string | { hole: string })[]>((parts, part) => {
        const before = parts.at(-1);
        if (typeof before !== "string" || typeof part !== "string") return [...parts, part];
        return [...parts.slice(0, -1), before + part];
      }, []),
      { holes, values, database: { hole: "base" } },
    );
    expect(dataOf(outcome).records).toEqual([
      { w: "b:c", n: "8", y: "0", d: "performance_schema" },
    ]);
  });

  // Attack 50: the driver could also write a value into the text of a statement.
  test("a value goes to the server apart from the statement", async () => {
    const sent: Buffer[] = [];
    const path = await standBetween((bytes) => {
      sent.push(bytes);
      return bytes;
    });
    const holes = { word: { type: "enum" as const, values: ["bound-alone"] } };
    const outcome = await ask(["SELECT ", { hole: "word" }, " AS w"], {
      ...{ socket: path, holes, values: { word: "bound-alone" } },
    });
    expect(dataOf(outcome).records).toEqual([{ w: "bound-alone" }]);
    // COM_STMT_PREPARE has the statement, COM_STMT_EXECUTE the value.
    const commandsWith = (text: string) =>
      sent.filter((bytes) => bytes.includes(text)).map((bytes) => bytes[4]);
    expect(commandsWith("SELECT ? AS w")).toEqual([0x16]);
    expect(commandsWith("bound-alone")).toEqual([0x17]);
  });

  const RIGHTS: [string, string, string?][] = [
    ["everything", "GRANT ALL ON *.* TO ME"],
    ["everything, and gives it on", "GRANT ALL ON *.* TO ME WITH GRANT OPTION"],
    ["gives on what it may", "GRANT USAGE ON *.* TO ME WITH GRANT OPTION"],
    ["reads and writes files", "GRANT FILE ON *.* TO ME"],
    ["ends sessions", "GRANT CONNECTION ADMIN ON *.* TO ME"],
    ["is another account", "GRANT SET USER ON *.* TO ME"],
    ["ends the server", "GRANT SHUTDOWN ON *.* TO ME"],
    ["loads anew", "GRANT RELOAD ON *.* TO ME"],
    [
      "changes read_only and replication",
      "GRANT READ_ONLY ADMIN, REPLICATION SLAVE ADMIN ON *.* TO ME",
    ],
    ["has all that SUPER is", "GRANT SUPER ON *.* TO ME"],
    ["makes accounts", "GRANT CREATE USER ON *.* TO ME"],
    ["reads all rows", "GRANT SELECT ON *.* TO ME"],
    ["reads passwords", "GRANT SELECT ON mysql.* TO ME"],
    ["reads the table of passwords", "GRANT SELECT ON mysql.global_priv TO ME"],
    ["reads all rows of a schema", "GRANT SELECT ON shop.* TO ME"],
    ["writes a schema", "GRANT INSERT, UPDATE ON shop.* TO ME"],
    ["writes counters", "GRANT UPDATE ON performance_schema.setup_consumers TO ME"],
    ["writes a table", "GRANT SELECT, INSERT ON shop.t TO ME"],
    ["writes a column", "GRANT SELECT (a), UPDATE (a, b) ON shop.t TO ME"],
    ["locks tables", "GRANT LOCK TABLES ON shop.* TO ME"],
    [
      "calls a function",
      "CREATE FUNCTION shop.f() RETURNS INT RETURN 1; GRANT EXECUTE ON FUNCTION shop.f TO ME",
      "DROP FUNCTION shop.f",
    ],
    ["calls all functions", "GRANT EXECUTE ON *.* TO ME"],
    ["becomes another account by proxy", "GRANT PROXY ON owner@localhost TO ME"],
    [
      "writes by a role",
      "CREATE ROLE writer; GRANT INSERT ON *.* TO writer; GRANT writer TO ME",
      "DROP ROLE writer",
    ],
    [
      "writes by a role that it has from the start",
      "CREATE ROLE writer; GRANT INSERT ON *.* TO writer; GRANT writer TO ME; SET DEFAULT ROLE writer FOR ME",
      "SET DEFAULT ROLE NONE FOR ME; DROP ROLE writer",
    ],
    [
      "writes a thing with a strange name",
      "CREATE DATABASE `x``y` ; GRANT INSERT ON `x``y`.* TO ME",
      "DROP DATABASE `x``y`",
    ],
    ["writes as all do", "GRANT INSERT ON shop.* TO PUBLIC"],
  ];

  // Attack 52.
  test.each(RIGHTS)(
    "an account that %s is refused, with what makes it right",
    async (_, give, after) => {
      await server.ask(give.replaceAll("ME", account));
      undo = (after ?? "").replaceAll("ME", account);
      const refused = await ask(ONE);
      expect(codeOf(refused), messageOf(refused)).toBe("PERMISSION_NEEDED");
      expect(messageOf(refused)).toContain(`the account ${account} may do more than look: it has `);
      await server.ask(statementOf(refused));
      expect(dataOf(await ask(ONE)).records).toEqual([{ one: "1" }]);
      // It may see what it could before.
      expect(codeOf(await ask("SHOW BINARY LOGS"))).toBe("ok");
    },
  );

  test("an account with rights that only look is taken", async () => {
    await server.ask(
      `GRANT SELECT ON shop.t TO ${account}; GRANT SHOW DATABASES ON *.* TO ${account}`,
    );
    undo = `REVOKE SELECT ON shop.t FROM ${account}; REVOKE SHOW DATABASES ON *.* FROM ${account}`;
    expect(dataOf(await ask("SELECT count(*) AS n FROM shop.t")).records).toEqual([{ n: "0" }]);
  });

  test("an account without PROCESS would see only its own sessions, and is told so", async () => {
    await server.ask(`REVOKE PROCESS ON *.* FROM ${account}`);
    const refused = await ask(ONE);
    expect(codeOf(refused)).toBe("PERMISSION_NEEDED");
    expect(messageOf(refused)).toContain("is shown only its own sessions");
    await server.ask(statementOf(refused));
    expect(codeOf(await ask(ONE))).toBe("ok");
  });

  test("a right that a statement lacks is named", async () => {
    for (const [right, statement] of [
      ["BINLOG MONITOR ON *.*", "SHOW BINARY LOGS"],
      ["SLAVE MONITOR ON *.*", "SHOW REPLICA STATUS"],
      ["SELECT ON performance_schema.*", "SELECT name FROM performance_schema.threads"],
    ] as const) {
      await server.ask(`REVOKE ${right} FROM ${account}`);
      const refused = await ask(statement);
      expect(codeOf(refused), messageOf(refused)).toBe("PERMISSION_NEEDED");
      await server.ask(statementOf(refused));
      expect(codeOf(await ask(statement))).toBe("ok");
    }
  });

  test("an account of no name is not the runner's", async () => {
    const [, user = ""] = /^'(.*)'@/.exec(account) ?? [];
    await server.ask(
      `RENAME USER ${account} TO 'other'@'localhost'; CREATE USER ''@'localhost'; GRANT PROCESS ON *.* TO ''@'localhost'`,
    );
    undo = `DROP USER ''@'localhost'; RENAME USER 'other'@'localhost' TO ${account}`;
    const refused = await ask(ONE);
    expect(codeOf(refused)).toBe("PERMISSION_NEEDED");
    expect(messageOf(refused)).toContain(`CREATE USER '${user}'@'localhost'`);
  });

  test("a server that wants a password gets none", async () => {
    await server.ask(`ALTER USER ${account} IDENTIFIED BY 'known to nobody here'`);
    undo = `ALTER USER ${account} IDENTIFIED VIA unix_socket`;
    const refused = await ask(ONE);
    expect(codeOf(refused)).toBe("PERMISSION_NEEDED");
    expect(messageOf(refused)).toContain("Access denied");
  });

  // Attack 52: a view does what its maker may.
  test("nothing is written, by no function of another", async () => {
    await server.ask(`CREATE TABLE shop.notes (a int) ENGINE = InnoDB;
delimiter //
CREATE FUNCTION shop.note() RETURNS INT MODIFIES SQL DATA
BEGIN INSERT INTO shop.notes VALUES (1); RETURN 1; END //
delimiter ;
CREATE VIEW shop.noting AS SELECT shop.note() AS a;
GRANT SELECT ON shop.noting TO ${account}`);
    undo = "DROP VIEW shop.noting; DROP FUNCTION shop.note; DROP TABLE shop.notes";
    expect(await server.ask("SELECT a FROM shop.noting")).toEqual([{ a: "1" }]);
    const written = await ask("SELECT a FROM shop.noting");
    expect(messageOf(written)).toContain("READ ONLY transaction");
    expect(codeOf(await ask("SELECT shop.note() AS a"))).not.toBe("ok");
    expect(await server.ask("SELECT count(*) AS n FROM shop.notes")).toEqual([{ n: "1" }]);
  });

  test("a statement ends by its timeout, and one that waits for a lock soon after", async () => {
    const slow = await ask("SELECT sleep(60) AS a");
    expect(codeOf(slow), messageOf(slow)).toBe("READ_TIMEOUT");
    expect(messageOf(slow)).toContain("max_statement_time");
    await server.ask(`GRANT SELECT ON shop.t TO ${account}`);
    undo = `REVOKE SELECT ON shop.t FROM ${account}`;
    const holder = await server.open();
    await holder.ask("LOCK TABLES shop.t WRITE");
    const locked = await ask("SELECT count(*) AS n FROM shop.t");
    expect(codeOf(locked)).toBe("READ_TIMEOUT");
    expect(messageOf(locked)).toContain("a lock that the statement needs");
    await holder.close();
    await until(
      "the lock is gone",
      async () => codeOf(await ask("SELECT count(*) AS n FROM shop.t")) === "ok",
    );
  });

  const OWN = () =>
    `SELECT id FROM information_schema.processlist WHERE user = ${account.split("@")[0]}`;

  test("a read that ends at its deadline leaves no session", async () => {
    const late = await ask("SELECT sleep(60) AS a", { timeoutMs: 400 });
    expect(codeOf(late)).toBe("READ_TIMEOUT");
    await expect.poll(async () => (await server.ask(OWN())).length, { timeout: 20_000 }).toBe(0);
  });

  test("a runner has two connections at once, however much is asked", async () => {
    const statement = `SELECT count(*) AS n, sleep(0.05) AS s FROM information_schema.processlist WHERE user = ${account.split("@")[0]}`;
    const counts = await Promise.all(Array.from({ length: 8 }, () => ask(statement)));
    const seen = counts.map((outcome) => Number(dataOf(outcome).records[0]?.["n"]));
    expect(Math.max(...seen)).toBeLessThanOrEqual(2);
  });

  test("a row that is too large is not taken into memory", async () => {
    const outcome = await ask("SELECT repeat('x', 5000000) AS a");
    expect(codeOf(outcome)).toBe("READ_FAILED");
    expect(messageOf(outcome)).toContain("the server sent more than");
    expect(codeOf(await ask("SELECT repeat('x', 50) AS a"))).toBe("ok");
  });

  test("what is not there is said as such", async () => {
    const missing = async (statement: string, more: Asked = {}) =>
      codeOf(await ask(statement, more));
    expect(await missing("SELECT a FROM information_schema.missing")).toBe("SOURCE_NOT_FOUND");
    expect(await missing("SELECT missing FROM information_schema.processlist")).toBe(
      "SOURCE_NOT_FOUND",
    );
    expect(await missing("SELECT a FROM performance_schema.data_locks")).toBe("SOURCE_NOT_FOUND");
    expect(await missing(ONE, { socket: join(server.socketDir, "other.sock") })).toBe(
      "SOURCE_NOT_FOUND",
    );
    // The server does not tell whom it lets into nothing whether a database is there.
    expect(await missing(ONE, { database: "missing" })).toBe("PERMISSION_NEEDED");
    expect(await missing("SELECT user FROM mysql.global_priv")).toBe("PERMISSION_NEEDED");
  });

  /** A server that passes on what comes, changed. It lets the runner in as the account, without a password. */
  async function standBetween(
    fromClient: (bytes: Buffer) => Buffer,
    fromServer = (bytes: Buffer): Buffer => bytes,
  ): Promise<string> {
    await server.ask(`ALTER USER ${account} IDENTIFIED BY ''`);
    const path = join(server.socketDir, "between");
    const between = createServer((client) => {
      const upstream = connect(server.socket);
      client.on("data", (bytes: Buffer) => upstream.write(fromClient(bytes)));
      upstream.on("data", (bytes: Buffer) => client.write(fromServer(bytes)));
      for (const [one, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        one.on("error", () => undefined);
        one.on("close", () => other.destroy());
      }
    });
    between.listen(path);
    await once(between, "listening");
    chmodSync(path, 0o777);
    onTestFinished(async () => {
      between.close();
      await server.ask(`ALTER USER ${account} IDENTIFIED VIA unix_socket`);
    });
    return path;
  }

  // A pooler may drop what a client sets.
  test.each([
    ["SET SESSION sql_mode = ''", "SET SESSION sql_notes = 1"],
    ["max_statement_time = 2", "max_statement_time = 0"],
    ["'SYSTEM', lock_wait_timeout = 1", "'SYSTEM', lock_wait_timeout = 9"],
    ["SET SESSION TRANSACTION READ ONLY", "DO 1                             "],
  ])("a session that did not take %s is asked nothing", async (setting, instead) => {
    const path = await standBetween((bytes) =>
      Buffer.from(bytes.toString("latin1").replace(setting, instead), "latin1"),
    );
    const outcome = await ask(ONE, { socket: path });
    expect(codeOf(outcome), messageOf(outcome)).toBe("READ_FAILED");
    expect(messageOf(outcome)).toContain("did not take the settings");
  });

  // A server that is not what it seems may ask its client for a file.
  test("a server that asks for a file of the runner gets none", async () => {
    const sent: Buffer[] = [];
    const file = join(server.socketDir, "wanted");
    writeFileSync(file, "of the runner alone");
    const isQuestion = (bytes: Buffer | undefined): boolean => bytes?.[4] === 3;
    const request = Buffer.from(`\0\0\0\u0001\u00fb${file}`, "latin1");
    request.writeUIntLE(request.length - 4, 0, 3);
    const path = await standBetween(
      (bytes) => {
        sent.push(bytes);
        return bytes;
      },
      (bytes) => (isQuestion(sent.at(-1)) ? request : bytes),
    );
    const outcome = await ask(ONE, { socket: path, timeoutMs: 2000 });
    expect(codeOf(outcome)).not.toBe("ok");
    expect(sent.some(isQuestion)).toBe(true);
    expect(Buffer.concat(sent).toString("latin1")).not.toContain("of the runner alone");
    // What it says that it can: no CONNECT_ATTRS, MULTI_RESULTS, MULTI_STATEMENTS, IGNORE_SPACE, LOCAL_FILES.
    expect((sent[0]?.readUInt32LE(4) ?? 0) & 0x13_0180).toBe(0);
  });

  test("the server's own functions are asked, not a user's of their names", async () => {
    const { functions } = READ_ONLY_NAMES.mysql;
    const calls: Record<string, string> = {
      count: "count(*)",
      now: "now()",
      version: "version()",
      connection_id: "connection_id()",
    };
    for (const name of functions) {
      await server.ask(`CREATE FUNCTION shop.\`${name}\`() RETURNS TEXT RETURN 'forged'`);
    }
    const source: SqlSource = {
      ...{ kind: "sql", engine: "mysql", socket: server.socket, database: "shop" },
      ...{ statement: "SELECT 1", maxRows: 1, timeoutMs: 1000, maxBytes: 1000 },
    };
    for (const name of functions) {
      const call = calls[name] ?? `${name}()`;
      const { text } = renderMysqlQuestion({ ...source, statement: `SELECT ${call} AS it` }, {});
      const [row] = await server
        .ask(`USE shop; ${text}`)
        .catch((error: Error) => [{ it: error.message }]);
      // Without its arguments the server's own is an error.
      expect(row?.["it"], name).not.toBe("forged");
    }
    await server.ask([...functions].map((name) => `DROP FUNCTION shop.\`${name}\``).join("; "));
  });

  test("each relation and column of the table is the server's, or of a server that is not tested here", async () => {
    const known = await server.ask(
      "SELECT LOWER(CONCAT(table_schema, '.', table_name)) AS relation, LOWER(column_name) AS c FROM information_schema.columns WHERE table_schema IN ('information_schema', 'performance_schema')",
    );
    const { relations } = READ_ONLY_NAMES.mysql;
    const columns = new Set(known.map(({ relation, c }) => `${relation}.${c}`));
    const missing = [...relations].flatMap(([relation, names]) =>
      names.map((name) => `${relation}.${name}`).filter((name) => !columns.has(name)),
    );
    const ofMysql = /^performance_schema\.(data_locks|data_lock_waits|global_variables)\./;
    expect(missing.filter((name) => !ofMysql.test(name))).toEqual([]);
  });

  test("the server's log has no connection that just broke off", () => {
    const lines = server
      .log()
      .split("\n")
      .filter((line) => line.includes("Aborted connection"));
    const own = lines.filter((line) => line.includes(`user: ${account.split("@")[0]}`));
    // The reads that ended at their deadlines, the row that was too large, and those between which a
    // test stood.
    expect(own.length).toBeLessThanOrEqual(6);
  });
});
