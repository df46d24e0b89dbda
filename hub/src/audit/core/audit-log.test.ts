import { verifyChain } from "@sonde/trust/chain";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomUUID } from "node:crypto";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { type AuditStore, buildAuditRecord, createAuditStore, openAudit } from "../index.ts";

let database: HubDatabase;
beforeAll(async () => {
  database = await openHubDatabase();
});
afterAll(() => database.close());

const note = (detail: Record<string, unknown>) =>
  buildAuditRecord(new Date("2026-01-01T00:00:00Z"), "log.opened", { detail });

test("attack 60: many callers in two processes make one order, and nothing is lost", async () => {
  const store = createAuditStore(database.sql, randomUUID());
  const other = createAuditStore((await database.openAgain()).sql, randomUUID());
  const logs = [await openAudit(store), await openAudit(other)] as const;
  const appended = await Promise.all(
    Array.from({ length: 400 }, (_, index) =>
      logs[index % 2 === 0 ? 0 : 1].append(note({ index })),
    ),
  );
  expect(new Set(appended.map(({ seq }) => seq)).size).toBe(400);

  const entries = await store.read(0, 1000);
  expect(verifyChain(entries)).toEqual(await store.readHead());
  expect(entries.length).toBe(400);
});

test("a record with any text comes back with the hash it was chained under", async () => {
  const store = createAuditStore(database.sql, randomUUID());
  const log = await openAudit(store);
  const before = log.head();
  await log.append(
    note({ text: 'NUL \u0000, lone \ud800, "quotes", \n, \u2028, 0.1, é', number: 1e-7 }),
  );
  const entries = await store.read(before.size, 10);
  expect(verifyChain(entries, before)).toEqual(log.head());
});

test("a record that the database cannot take is refused, not lost", async () => {
  const gone = await database.openAgain();
  const log = await openAudit(createAuditStore(gone.sql, randomUUID()));
  await gone.close();
  await expect(log.append(note({}))).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
});

test("records that nobody writes do not pile up without an end", async () => {
  const written = Promise.withResolvers<boolean>();
  const store = createAuditStore(database.sql, randomUUID());
  const stuck: AuditStore = { ...store, append: () => written.promise };
  const log = await openAudit(stuck);
  const records = Array.from({ length: 20_600 }, () => log.append(note({})));
  const last = await Promise.allSettled(records.slice(-1));
  expect(last).toMatchObject([{ status: "rejected", reason: { code: "AUDIT_UNAVAILABLE" } }]);
  written.resolve(true);
  await Promise.allSettled(records);
});

test("a flush with an empty queue resolves at once", async () => {
  const log = await openAudit(createAuditStore(database.sql, randomUUID()));
  await log.flush();
  const { seq } = await log.append(note({ after: "a flush" }));
  await log.flush();
  expect(log.head().size).toBe(seq);
});

test("a note shares the next record's commit in order, and is written soon without one", async () => {
  const store = createAuditStore(database.sql, randomUUID());
  const batches: number[] = [];
  const counting: AuditStore = {
    ...store,
    append(head, entries) {
      batches.push(entries.length);
      return store.append(head, entries);
    },
  };
  const log = await openAudit(counting);
  const noted = log.appendSoon(note({ first: true }));
  const appended = await log.append(note({ second: true }));
  expect((await noted).seq).toBe(appended.seq - 1);
  expect(batches).toEqual([2]);

  const alone = await log.appendSoon(note({ third: true }));
  expect(await store.readHead()).toEqual({ size: alone.seq, hash: alone.hash });

  const flushed = log.appendSoon(note({ fourth: true }));
  await log.flush();
  expect(await store.readHead()).toMatchObject({ size: (await flushed).seq });
});
