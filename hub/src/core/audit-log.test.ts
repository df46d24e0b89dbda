import { openDatabase } from "@sonde/database";
import { startTestDatabase, type TestDatabase } from "@sonde/database/testing";
import { verifyChain } from "@sonde/trust/log";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAuditStore } from "../edge/store/audit-store.ts";
import { migrations } from "../edge/store/migrations.ts";
import { openAuditLog } from "./audit-log.ts";
import { buildAuditRecord } from "./audit-record.ts";

let server: TestDatabase;
beforeAll(async () => {
  server = await startTestDatabase();
});
afterAll(() => server.close());

const open = () =>
  openDatabase({
    dataDir: "/nonexistent",
    schema: "hub",
    url: server.url,
    migrations,
    onLost: () => undefined,
    maxConnections: 4,
  });
const note = (detail: Record<string, unknown>) =>
  buildAuditRecord(new Date("2026-01-01T00:00:00Z"), "log.opened", { detail });

test("attack 60: many callers in two processes make one order, and nothing is lost", async () => {
  const databases = [await open(), await open()] as const;
  const store = createAuditStore(databases[0].sql);
  const other = createAuditStore(databases[1].sql);
  const logs = [await openAuditLog(store), await openAuditLog(other)] as const;
  const appended = await Promise.all(
    Array.from({ length: 400 }, (_, index) =>
      logs[index % 2 === 0 ? 0 : 1].append(note({ index })),
    ),
  );
  expect(new Set(appended.map(({ seq }) => seq)).size).toBe(400);

  const entries = await store.read(0, 1000);
  expect(verifyChain(entries)).toEqual(await store.readHead());
  expect(entries.length).toBe(400);
  await Promise.all(databases.map((database) => database.close()));
});

test("a record with any text comes back with the hash it was chained under", async () => {
  const database = await open();
  const store = createAuditStore(database.sql);
  const log = await openAuditLog(store);
  const before = log.head();
  await log.append(note({ text: 'NUL \u0000, lone \ud800, "quotes", 0.1, é', number: 1e-7 }));
  const entries = await store.read(before.size, 10);
  expect(verifyChain(entries, before)).toEqual(log.head());
  await database.close();
});

test("a database that is gone refuses the record instead of losing it", async () => {
  const database = await open();
  const log = await openAuditLog(createAuditStore(database.sql));
  await database.close();
  await expect(log.append(note({}))).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
});

test("with nothing waiting a flush is over at once", async () => {
  const database = await open();
  const log = await openAuditLog(createAuditStore(database.sql));
  await log.flush();
  const { seq } = await log.append(note({ after: "a flush" }));
  await log.flush();
  expect(log.head().size).toBe(seq);
  await database.close();
});

test("a note shares the next record's commit, in its order, and is written soon without one", async () => {
  const database = await open();
  const store = createAuditStore(database.sql);
  const batches: number[] = [];
  const log = await openAuditLog({
    readHead: () => store.readHead(),
    append(head, entries) {
      batches.push(entries.length);
      return store.append(head, entries);
    },
  });
  const noted = log.note(note({ first: true }));
  const appended = await log.append(note({ second: true }));
  expect((await noted).seq).toBe(appended.seq - 1);
  expect(batches).toEqual([2]);

  const alone = await log.note(note({ third: true }));
  expect(await store.readHead()).toEqual({ size: alone.seq, hash: alone.hash });

  const flushed = log.note(note({ fourth: true }));
  await log.flush();
  expect(await store.readHead()).toMatchObject({ size: (await flushed).seq });
  await database.close();
});
