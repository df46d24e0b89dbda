import { once } from "node:events";
import { chmodSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import postgres, { type Sql } from "postgres";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { READ_ONLY_NAMES } from "../../foundation/sources/src/read-only-relations.ts";
import { startTestServer } from "@sonde/database/testing";
import type { SqlSource } from "@sonde/schemas/manifest";
import type { RunnerOutcome } from "@sonde/schemas/reads";
import { until } from "../product/start-product.ts";
import { type Asked, askSql, codeOf, dataOf, messageOf, statementOf } from "./ask-sql.ts";
import { createTestBench, type TestBench } from "./start-runner.ts";

// What a real runner gets from a real PostgreSQL. The runner's user is a role by peer authentication;
// `owner` is the superuser, over a connection of this test's own.

let bench: TestBench;
let server: Awaited<ReturnType<typeof startTestServer>>;
let owner: Sql;
/** The runner's user, as a name in SQL. */
let role: string;

beforeAll(async () => {
  server = await startTestServer(
    ["max_connections=40", "shared_preload_libraries=pg_stat_statements"],
    {
      superuser: "owner",
      lines: [
        "local all owner trust",
        "local pooled all trust",
        "local secret all scram-sha-256",
        "local all all peer",
      ],
    },
  );
  owner = openAs("postgres");
  bench = await createTestBench();
  bench.startRunner();
  await until("the runner", () => bench.link.runners().length === 1);
  const refused = await ask("SELECT name FROM pg_settings");
  const [, name] = /CREATE ROLE ("[^"]+")/.exec(messageOf(refused)) ?? [];
  role = name ?? "";
  // The sentence is what a person types.
  await owner.unsafe(statementOf(refused));
}, 60_000);
afterAll(async () => {
  await owner?.end();
  await bench?.close();
  await server?.close();
});

function openAs(database: string): Sql {
  return postgres({
    host: server.socketDir,
    ...{ user: "owner", database, max: 4, onnotice: () => undefined },
  });
}

const ask = (statement: SqlSource["statement"], more: Asked = {}): Promise<RunnerOutcome> => {
  const socket = join(server.socketDir, ".s.PGSQL.5432");
  return askSql(bench, statement, { engine: "postgres", database: "postgres", socket }, more);
};

test("every row and value as another client reads them, many more than come at once", async () => {
  const { records, truncated, serverVersion } = dataOf(
    await ask("SELECT name, vartype, boot_val FROM pg_settings ORDER BY name"),
  );
  const known = await owner`SELECT name, vartype, boot_val FROM pg_settings ORDER BY name`;
  expect(known.length).toBeGreaterThan(200);
  expect(records).toEqual([...known]);
  expect(truncated).toBe(false);
  const [version] = await owner`SHOW server_version_num`;
  expect(serverVersion).toBe(Number(version?.["server_version_num"]));
});

test("caps cut between two rows, and say so", async () => {
  const statement = "SELECT name FROM pg_settings ORDER BY name";
  const whole = dataOf(await ask(statement)).records;
  const few = dataOf(await ask(statement, { maxRows: 41 }));
  expect(few).toMatchObject({ records: whole.slice(0, 41), truncated: true });
  const small = dataOf(await ask(statement, { maxBytes: 2000 }));
  expect(small.truncated).toBe(true);
  expect(small.records).toEqual(whole.slice(0, small.records.length));
  const size = (count: number) =>
    whole.slice(0, count).reduce((sum, row) => sum + JSON.stringify(row).length, 0);
  expect(size(small.records.length)).toBeLessThanOrEqual(2000);
  expect(size(small.records.length + 1)).toBeGreaterThan(2000);
});

// Attack 50.
test("a hole is a bound parameter of its type, and no value becomes a part of the statement", async () => {
  const holes = {
    word: { type: "enum" as const, values: ["a", "b:c"] },
    count: { type: "integer" as const, minimum: 0, maximum: 9 },
    yes: { type: "boolean" as const },
    base: { type: "database-name" as const },
  };
  const statement = ["SELECT ", "word", " AS w, ", "count", " + 1 AS n, NOT ", "yes"].map((part) =>
    Object.hasOwn(holes, part) ? { hole: part } : part,
  );
  const values = { word: "b:c", count: "7", yes: "true", base: "template1" };
  const asked = { holes, values, database: { hole: "base" } };
  const wider = [...statement, " AS y, current_database() AS d"];
  expect(dataOf(await ask(wider, asked)).records).toEqual([
    { w: "b:c", n: "8", y: "f", d: "template1" },
  ]);
  // A runner checks what it is told by the agent, too; the server would only see another text.
  const hostile = "7; DROP TABLE x";
  const outcome = await ask(statement, { holes, values: { ...values, count: hostile } });
  expect(messageOf(outcome)).toContain("invalid input syntax for type bigint");
});

const RIGHTS: [string, string, string?][] = [
  ["superuser", "ALTER ROLE ROLE SUPERUSER"],
  ["createrole", "ALTER ROLE ROLE CREATEROLE"],
  ["createdb", "ALTER ROLE ROLE CREATEDB"],
  ["replication", "ALTER ROLE ROLE REPLICATION"],
  ["bypassrls", "ALTER ROLE ROLE BYPASSRLS"],
  ["two attributes", "ALTER ROLE ROLE CREATEDB CREATEROLE"],
  ["writes all data", "GRANT pg_write_all_data TO ROLE"],
  ["signals", "GRANT pg_signal_backend TO ROLE"],
  ["reads files", "GRANT pg_read_server_files TO ROLE"],
  ["writes files", "GRANT pg_write_server_files TO ROLE"],
  ["runs programs", "GRANT pg_execute_server_program TO ROLE"],
  ["checkpoints", "GRANT pg_checkpoint TO ROLE"],
  ["reads all data", "GRANT pg_read_all_data TO ROLE"],
  [
    "signals by another role, which it does not inherit",
    "CREATE ROLE between NOINHERIT; GRANT pg_signal_backend TO between; ALTER ROLE ROLE NOINHERIT; GRANT between TO ROLE",
    "DROP ROLE between",
  ],
  [
    "signals by a role that others need",
    "GRANT pg_signal_backend TO pg_read_all_stats",
    "REVOKE pg_signal_backend FROM pg_read_all_stats",
  ],
  [
    "becomes another role",
    "CREATE ROLE other; GRANT other TO ROLE; ALTER ROLE ROLE SET role = 'other'",
    "ALTER ROLE ROLE RESET role; DROP ROLE other",
  ],
  [
    "owns a table",
    "CREATE TABLE public.its (); ALTER TABLE public.its OWNER TO ROLE",
    "DROP TABLE public.its",
  ],
  [
    "writes a table",
    "CREATE TABLE public.t (a int); GRANT INSERT ON public.t TO ROLE",
    "DROP TABLE public.t",
  ],
  [
    "writes a column",
    "CREATE TABLE public.t (a int); GRANT UPDATE (a) ON public.t TO ROLE",
    "DROP TABLE public.t",
  ],
  ["may read a file by a function", "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO ROLE"],
  ["creates in a schema", "GRANT CREATE ON SCHEMA public TO ROLE"],
  ["creates schemas", "GRANT CREATE ON DATABASE postgres TO ROLE"],
  ["creates files", "GRANT CREATE ON TABLESPACE pg_default TO ROLE"],
];
let undo = "";
afterEach(async () => {
  await owner.unsafe(
    undo.replaceAll("ROLE ROLE", `ROLE ${role}`).replaceAll("TO ROLE", `TO ${role}`),
  );
  undo = "";
});

// Attack 52.
test.each(RIGHTS)("a role that %s is refused, with what makes it right", async (_, give, after) => {
  const named = (text: string) =>
    text.replace(/ROLE ROLE/g, `ROLE ${role}`).replace(/TO ROLE/g, `TO ${role}`);
  await owner.unsafe(named(give));
  undo = after ?? "";
  const refused = await ask("SELECT 1 AS one");
  expect(codeOf(refused), messageOf(refused)).toBe("PERMISSION_NEEDED");
  expect(messageOf(refused)).toContain(`the role ${role} may do more than look`);
  await owner.unsafe(statementOf(refused));
  const then = await ask("SELECT 1 AS one");
  // A role that became another one by a setting is still a member of it, and one that inherits
  // nothing is shown nothing.
  if (codeOf(then) !== "ok") await owner.unsafe(statementOf(then));
  expect(dataOf(await ask("SELECT 1 AS one")).records).toEqual([{ one: "1" }]);
});

test("a role that owns something elsewhere is refused, and one that may only look there is not", async () => {
  await owner`CREATE DATABASE elsewhere`;
  const there = openAs("elsewhere");
  await there.unsafe(`CREATE TABLE public.its (a int); GRANT SELECT, REFERENCES (a) ON public.its TO ${role};
    REVOKE REFERENCES (a) ON public.its FROM ${role}; GRANT USAGE ON SCHEMA public TO ${role};
    GRANT CONNECT ON DATABASE elsewhere TO ${role}`);
  expect(codeOf(await ask("SELECT 1 AS one", { database: "elsewhere" }))).toBe("ok");
  await there.unsafe(`ALTER TABLE public.its OWNER TO ${role}`);
  const refused = await ask("SELECT 1 AS one");
  expect(codeOf(refused)).toBe("PERMISSION_NEEDED");
  expect(messageOf(refused)).toContain("owns something in the database elsewhere");
  await there.end();
  await owner`DROP DATABASE elsewhere`;
  expect(codeOf(await ask("SELECT 1 AS one"))).toBe("ok");
});

test("a role without pg_monitor would see only its own sessions, and is told so", async () => {
  await owner.unsafe(`REVOKE pg_monitor FROM ${role}`);
  const refused = await ask("SELECT pid FROM pg_stat_activity");
  expect(codeOf(refused)).toBe("PERMISSION_NEEDED");
  expect(statementOf(refused)).toBe(`ALTER ROLE ${role} INHERIT; GRANT pg_monitor TO ${role};`);
  await owner.unsafe(statementOf(refused));
  expect(codeOf(await ask("SELECT pid FROM pg_stat_activity"))).toBe("ok");
});

// Attack 52.
test("nothing is written, by no function and with no right", async () => {
  await owner.unsafe(`CREATE TABLE public.notes (a int);
    CREATE FUNCTION public.note() RETURNS int LANGUAGE sql SECURITY DEFINER
      AS 'INSERT INTO public.notes VALUES (1) RETURNING a';
    CREATE FUNCTION public.loosen() RETURNS text LANGUAGE sql
      AS $$ SELECT set_config('transaction_read_only', 'off', false) $$`);
  undo = "DROP FUNCTION public.note; DROP FUNCTION public.loosen; DROP TABLE public.notes";
  expect(messageOf(await ask("SELECT public.note() AS a"))).toContain("read-only transaction");
  const loosened = await ask("SELECT public.loosen() AS a, public.note() AS b");
  expect(messageOf(loosened)).toContain("read-write mode");
  expect(await owner`SELECT a FROM public.notes`).toHaveLength(0);
});

// Attack 52.
test("no user's function or setting of the database stands in for the server's own", async () => {
  await owner.unsafe(`CREATE FUNCTION public.lower(name) RETURNS text LANGUAGE sql AS 'SELECT ''forged''';
    ALTER DATABASE postgres SET search_path = public, pg_catalog;
    ALTER DATABASE postgres SET statement_timeout = 0;
    ALTER ROLE ${role} SET default_transaction_read_only = off`);
  undo = `DROP FUNCTION public.lower(name); ALTER DATABASE postgres RESET ALL;
    ALTER ROLE ${role} RESET default_transaction_read_only`;
  const statement =
    "SELECT lower(datname) AS name, current_setting('statement_timeout') AS timed FROM pg_database WHERE datname = 'postgres'";
  expect(dataOf(await ask(statement)).records).toEqual([{ name: "postgres", timed: "2s" }]);
});

test("a statement ends by its timeout, and one that waits for a lock soon after", async () => {
  const slow = await ask("SELECT pg_sleep(60) AS a");
  expect(codeOf(slow)).toBe("READ_TIMEOUT");
  expect(messageOf(slow)).toContain("statement timeout");
  await owner.unsafe(`CREATE TABLE public.held (); GRANT SELECT ON public.held TO ${role}`);
  undo = "DROP TABLE public.held";
  await owner.begin(async (held) => {
    await held`LOCK TABLE public.held`;
    const locked = await ask("SELECT count(*) AS n FROM public.held");
    expect(codeOf(locked)).toBe("READ_TIMEOUT");
    expect(messageOf(locked)).toContain("lock");
  });
  expect(codeOf(await ask("SELECT count(*) AS n FROM public.held"))).toBe("ok");
});

test("a read that ends at its deadline leaves no session", async () => {
  const late = await ask("SELECT pg_sleep(60) AS a", { timeoutMs: 400 });
  expect(codeOf(late)).toBe("READ_TIMEOUT");
  await expect.poll(countSessions, { timeout: 20_000 }).toBe(0);
});

async function countSessions(): Promise<number> {
  return (await owner`SELECT pid FROM pg_stat_activity WHERE application_name = 'sonde'`).length;
}

test("a runner has two connections at once, however much is asked", async () => {
  const statement =
    "SELECT count(*) AS n, pg_sleep(0.05) FROM pg_stat_activity WHERE application_name = 'sonde'";
  const counts = await Promise.all(Array.from({ length: 12 }, () => ask(statement)));
  const seen = counts.map((outcome) => Number(dataOf(outcome).records[0]?.["n"]));
  expect(seen).toHaveLength(12);
  expect(Math.max(...seen)).toBeLessThanOrEqual(2);
});

test("a read that waits for a connection ends at its own time, and the runner goes on", async () => {
  const socket = join(server.socketDir, "silent");
  const silent = createServer().listen(socket);
  await once(silent, "listening");
  chmodSync(socket, 0o777);
  const held = [6000, 6000].map((timeoutMs) =>
    ask("SELECT name FROM pg_settings", { socket, timeoutMs }),
  );
  for (const _ of held) await once(silent, "connection");
  expect(codeOf(await ask("SELECT name FROM pg_settings", { timeoutMs: 300 }))).toBe(
    "READ_TIMEOUT",
  );
  // A read that outlives its deadline ends the runner, and with it what others asked.
  expect((await Promise.all(held)).map(codeOf)).toEqual(["READ_TIMEOUT", "READ_TIMEOUT"]);
  expect(codeOf(await ask("SELECT name FROM pg_settings"))).toBe("ok");
  silent.close();
});

test("a row that is too large is not taken into memory", async () => {
  const outcome = await ask("SELECT lpad('x', 5000000) AS a");
  expect(codeOf(outcome)).toBe("READ_FAILED");
  expect(messageOf(outcome)).toContain("the server sent more than");
  expect(codeOf(await ask("SELECT lpad('x', 50) AS a"))).toBe("ok");
});

test("what is not there is said as such", async () => {
  expect(codeOf(await ask("SELECT a FROM pg_missing"))).toBe("SOURCE_NOT_FOUND");
  expect(codeOf(await ask("SELECT missing FROM pg_settings"))).toBe("SOURCE_NOT_FOUND");
  expect(codeOf(await ask("SELECT 1 AS a", { database: "missing" }))).toBe("SOURCE_NOT_FOUND");
  const socket = join(server.socketDir, ".s.PGSQL.5433");
  expect(codeOf(await ask("SELECT 1 AS a", { socket }))).toBe("SOURCE_NOT_FOUND");
  expect(codeOf(await ask("SELECT rolname FROM pg_authid"))).toBe("PERMISSION_NEEDED");
  const extension = await ask("SELECT calls FROM pg_stat_statements");
  expect(codeOf(extension)).toBe("SOURCE_NOT_FOUND");
  expect(statementOf(extension)).toContain("CREATE EXTENSION pg_stat_statements");
});

// Attack 52: anybody may create in the schema of an extension.
test("a relation of an extension is that one, not another of its name", async () => {
  await owner.unsafe(`CREATE SCHEMA "of it"; CREATE EXTENSION pg_stat_statements SCHEMA "of it";
    CREATE VIEW public.pg_stat_statements AS SELECT 'forged' AS query, 1 AS calls;
    GRANT SELECT ON public.pg_stat_statements TO PUBLIC`);
  undo = `DROP VIEW public.pg_stat_statements; DROP SCHEMA "of it" CASCADE`;
  const statement = "SELECT query FROM pg_stat_statements WHERE query LIKE '%EXTENSION%'";
  const refused = await ask(statement);
  expect(codeOf(refused)).toBe("PERMISSION_NEEDED");
  await owner.unsafe(statementOf(refused));
  const { records } = dataOf(await ask(statement));
  expect(records.map(({ query }) => query)).toContainEqual(
    expect.stringContaining("CREATE EXTENSION pg_stat_statements"),
  );
});

test("a server that wants a password gets none", async () => {
  await owner`CREATE DATABASE secret`;
  undo = "DROP DATABASE secret";
  const outcome = await ask("SELECT 1 AS a", { database: "secret" });
  expect(codeOf(outcome)).toBe("PERMISSION_NEEDED");
  expect(messageOf(outcome)).toContain("peer");
});

// A pooler may drop what a client sets when it connects.
test("a session that did not take the settings is asked nothing", async () => {
  await owner`CREATE DATABASE pooled`;
  undo = "DROP DATABASE pooled";
  const folder = dirname(server.socketDir);
  chmodSync(folder, 0o755);
  const path = join(folder, "pooler");
  const pooler = createServer((client) => {
    const upstream = connect(join(server.socketDir, ".s.PGSQL.5432"));
    client.once("data", (startup: Buffer) => {
      const words = startup.toString("utf8", 8).split("\0");
      const kept = ["user", "database"].flatMap((key) => [
        key,
        words[words.indexOf(key) + 1] ?? "",
      ]);
      const body = Buffer.from(`${kept.join("\0")}\0\0`);
      const head = Buffer.alloc(8);
      head.writeInt32BE(body.length + 8, 0);
      startup.copy(head, 4, 4, 8);
      upstream.write(Buffer.concat([head, body]));
      client.pipe(upstream).pipe(client);
    });
    for (const socket of [client, upstream]) socket.on("error", () => undefined);
  });
  pooler.listen(path);
  await once(pooler, "listening");
  chmodSync(path, 0o777);
  const outcome = await ask("SELECT 1 AS a", { database: "pooled", socket: path });
  pooler.close();
  expect(codeOf(outcome)).toBe("READ_FAILED");
  expect(messageOf(outcome)).toContain("did not take the settings");
  expect(codeOf(await ask("SELECT 1 AS a", { database: "pooled" }))).toBe("ok");
});

test("the table of what only looks names no function that acts, and no column named as one", async () => {
  const { relations, functions, types } = READ_ONLY_NAMES.postgres;
  const known = await owner<{ name: string; acts: boolean }[]>`
    SELECT proname AS name, bool_or(provolatile = 'v') AS acts FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace GROUP BY proname`;
  const acts = new Map(known.map((one) => [one.name, one.acts]));
  // Words of the grammar that are written as functions.
  const words = ["coalesce", "nullif", "greatest", "least"];
  const missing = [...functions].filter((name) => !acts.has(name) && !words.includes(name));
  expect(missing).toEqual([]);
  // Volatile, since their answer changes from one moment to the next; none of them acts.
  expect([...functions].filter((name) => acts.get(name)).toSorted()).toEqual([
    ...["clock_timestamp", "pg_blocking_pids", "pg_current_wal_lsn", "pg_database_size"],
    ...["pg_is_in_recovery", "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn"],
    ...["pg_last_xact_replay_timestamp", "pg_ls_archive_statusdir", "pg_ls_waldir"],
  ]);
  const columns = new Set([...relations.values()].flat());
  expect([...columns].filter((name) => acts.get(name))).toEqual([]);
  const [own] = await owner`
    SELECT count(*)::int AS n FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace
    AND relkind IN ('r', 'v') AND relname NOT LIKE 'pg\\_%'`;
  expect(own?.["n"]).toBe(0);
  const found = await owner<{ name: string }[]>`
    SELECT typname AS name FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace`;
  const real = new Set(found.map(({ name }) => name));
  const spelled = new Map([
    ["integer", "int4"],
    ["bigint", "int8"],
    ["boolean", "bool"],
  ]);
  expect([...types].filter((name) => !real.has(spelled.get(name) ?? name))).toEqual([]);
});

test("the server's log has no connection that just broke off", () => {
  const log = readFileSync(join(dirname(server.socketDir), "log"), "utf8");
  expect(log).toContain("statement timeout");
  const lines = log.split("\n").filter((line) => /unexpected EOF/.test(line));
  // The read that ended at its deadline, and the row that was too large.
  expect(lines.length).toBeLessThanOrEqual(2);
});
