import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Database, type Migration, openDatabase } from "@sonde/database";
import { startTestServer } from "@sonde/database/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { migrations as hubMigrations } from "../../hub/src/migrations.ts";
import { migrations as registryMigrations } from "../../registry/src/edge/store/migrations.ts";

// Attack 16. Hub and registry on one database, each with its own login as docs/shared-database.md
// makes it: who holds one login reaches nothing of the other.
const guide = readFileSync(resolve(import.meta.dirname, "../../docs/shared-database.md"), "utf8");
let server: Awaited<ReturnType<typeof startTestServer>>;
const opened: Promise<Database>[] = [];

async function open(login: string | null, schema: "hub" | "registry", migrations: Migration[]) {
  const url = new URL(server.url);
  if (login !== null) url.username = login;
  return await openDatabase({
    ...{ dataDir: "/nonexistent", url: url.href, schema, migrations, maxConnections: 2 },
    onLost(error) {
      throw error;
    },
  });
}

beforeAll(async () => {
  server = await startTestServer(["fsync=off"]);
  const [, statements = ""] = /```sql\n(.*?)```/s.exec(guide) ?? [];
  // As PostgreSQL 14 has it for everybody, and every later release after an upgrade from it.
  const administrator = await open(null, "hub", []);
  await administrator.sql`drop schema hub cascade`;
  await administrator.sql`grant create on schema public to public`;
  await administrator.sql.unsafe(statements);
  await administrator.close();
});
afterAll(async () => {
  for (const result of await Promise.allSettled(opened)) {
    if (result.status === "fulfilled") await result.value.close();
  }
  await server?.close();
});

/** Opens a service's database as the service does, once for all tests. */
function createOpener(login: string, schema: "hub" | "registry", migrations: Migration[]) {
  let database: Promise<Database> | undefined;
  return async () => {
    if (database === undefined) {
      database = open(login, schema, migrations);
      opened.push(database);
    }
    return (await database).sql;
  };
}
const asHub = createOpener("sonde_hub", "hub", hubMigrations);
const asRegistry = createOpener("sonde_registry", "registry", registryMigrations);

test("each service migrates its own schema with its own login", async () => {
  for (const sql of [await asHub(), await asRegistry()]) {
    expect(await sql`select size from audit_head`).toEqual([{ size: "0" }]);
  }
});

const OFFENCES = [
  "select * from SCHEMA.audit_log",
  "insert into SCHEMA.audit_log (seq, previous, hash, event, record) values (1, '', '', '', '')",
  "update SCHEMA.audit_head set size = 0",
  "delete from SCHEMA.audit_log",
  "drop schema SCHEMA cascade",
  "create table SCHEMA.mine (id int)",
  "create table public.mine (id int)",
  "create schema mine",
  "create role mine superuser",
  "copy (select 1) to program 'id'",
];

test.each(OFFENCES)("the hub's login may not: %s", async (statement) => {
  await asRegistry();
  const asked = (await asHub()).unsafe(statement.replace("SCHEMA", "registry"));
  await expect(asked).rejects.toMatchObject({ code: "42501" });
});

test.each(OFFENCES)("the registry's login may not: %s", async (statement) => {
  await asHub();
  const asked = (await asRegistry()).unsafe(statement.replace("SCHEMA", "hub"));
  await expect(asked).rejects.toMatchObject({ code: "42501" });
});
