import { randomUUID } from "node:crypto";
import { openDatabase } from "@sonde/database";
import { startTestServer, type TestServer } from "@sonde/database/testing";
import type { Digest } from "@sonde/schemas/names";
import { verifyChain } from "@sonde/trust/chain";
import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { migrations } from "../migrations.ts";
import { buildAuditRecord, createAuditStore, openAudit } from "./index.ts";

const note = (name: string) => buildAuditRecord(new Date(), "log.opened", { detail: { name } });

async function openStore(...servers: TestServer[]) {
  const url = new URL(servers[0]?.url ?? "");
  url.searchParams.set("host", servers.map(({ socketDir }) => socketDir).join(","));
  const database = await openDatabase({
    ...{ dataDir: "/nonexistent", url: url.href, schema: "hub", migrations, maxConnections: 4 },
    onLost: () => undefined,
  });
  onTestFinished(() => database.close());
  return { sql: database.sql, store: createAuditStore(database.sql, randomUUID()) };
}

async function startPair() {
  const first = await startTestServer();
  onTestFinished(() => first.close());
  const second = await first.startStandby();
  onTestFinished(() => second.close());
  return { first, second };
}

/** Also where nothing can be written. */
async function readHead({ socketDir, url }: TestServer): Promise<string | undefined> {
  const { username } = new URL(url);
  const sql = postgres({ host: socketDir, username, database: "postgres", max: 1 });
  const [row] = await sql<{ hash: string }[]>`select hash from hub.audit_head`;
  await sql.end();
  return row?.hash;
}

test("attack 65: with a synchronous standby, a failover loses nothing that was acknowledged", async () => {
  const { first, second } = await startPair();
  const { sql, store } = await openStore(first, second);
  const log = await openAudit(store);
  await sql.unsafe("alter system set synchronous_standby_names = 'standby'");
  await sql`select pg_reload_conf()`;
  const isSynchronous = async () =>
    (await sql`select 1 from pg_stat_replication where sync_state = 'sync'`).length;
  await expect.poll(isSynchronous).toBe(1);

  const names = Array.from({ length: 200 }, (_, place) => `${place}`);
  const known: (Digest | null)[] = [];
  const asked = names.map(async (name, place) => {
    await expect.poll(() => known.length).toBeGreaterThanOrEqual(place - 5);
    const entry = await log.append(note(name)).catch(() => null);
    known.push(entry?.hash ?? null);
  });
  await expect.poll(() => known.length).toBeGreaterThan(20);
  await first.kill();
  await second.promote();
  await Promise.all(asked);
  await expect
    .poll(() =>
      log.append(note("last")).then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
  const entries = await store.read(0, 1_000);
  expect(verifyChain(entries)).toEqual(await store.readHead());
  const stored = new Set(entries.map(({ hash }) => hash));
  const acknowledged = known.filter((hash) => hash !== null);
  expect(acknowledged.length).toBeGreaterThan(20);
  expect(acknowledged.filter((hash) => !stored.has(hash))).toEqual([]);
}, 60_000);

test("attack 67: a hub that ran through a failover which lost the end of its log writes nothing on", async () => {
  const { first, second } = await startPair();
  const { store } = await openStore(first, second);
  const log = await openAudit(store);
  const early = await log.append(note("early"));
  await expect.poll(() => readHead(second)).toBe(early.hash);
  await second.kill();
  // The standby is asynchronous, so this is acknowledged without it.
  await log.append(note("lost"));
  await first.kill();
  await second.start();
  await second.promote();
  const found = async () => await log.append(note("on")).catch((thrown: unknown) => thrown);
  await expect
    .poll(async () => String(await found()))
    .toContain("the database is not in the state that this hub wrote");
  const { store: now } = await openStore(second);
  expect(await now.readHead()).toEqual({ size: early.seq, hash: early.hash });
}, 60_000);
