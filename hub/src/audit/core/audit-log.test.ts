import { setTimeout as sleep } from "node:timers/promises";
import type { AuditEntry } from "@sonde/schemas/audit";
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

/** The database takes no writes from now on, or takes them again. */
async function setReadOnly({ sql }: HubDatabase, isReadOnly: boolean): Promise<void> {
  const [row] = await sql<{ name: string }[]>`select current_database() as name`;
  await sql.begin("read write", async (within) => {
    const words = `set default_transaction_read_only = ${isReadOnly}`;
    await within.unsafe(`alter database ${row?.name} ${words}`);
  });
  // Sessions begin with it, so all of them end, this one too.
  const ended = sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() order by pid = pg_backend_pid()`;
  await expect(ended).rejects.toThrow(/terminat|CONNECTION/);
}

test("during an outage what was asked is refused, and what happened waits and goes on record", async () => {
  await using stack = new AsyncDisposableStack();
  const own = stack.adopt(await openHubDatabase(), (opened) => opened.close());
  const store = createAuditStore(own.sql, randomUUID());
  const log = await openAudit(store);
  const before = log.head();
  await setReadOnly(own, true);
  const noted = [log.appendSoon(note({ first: true })), log.appendSoon(note({ second: true }))];
  await expect(log.append(note({ asked: true }))).rejects.toMatchObject({
    code: "AUDIT_UNAVAILABLE",
  });
  await log.flush();
  await setReadOnly(own, false);
  const written = await Promise.race([Promise.all(noted), sleep(10_000, "nothing")]);
  expect(written).toMatchObject([{ seq: before.size + 1 }, { seq: before.size + 2 }]);
  const entries = await store.read(before.size, 10);
  expect(entries.map(({ record }) => record.detail)).toEqual([{ first: true }, { second: true }]);
  expect(verifyChain(entries, before)).toEqual(log.head());
});

test("what the database refuses for good is not tried again", async () => {
  const log = await openAudit(createAuditStore(database.sql, randomUUID()));
  const unfit = buildAuditRecord(new Date(), "log.opened", { callId: "not a UUID" });
  const noted = log.appendSoon(unfit).catch((thrown: unknown) => thrown);
  expect(await Promise.race([noted, sleep(5_000, "nothing")])).toMatchObject({
    code: "AUDIT_UNAVAILABLE",
  });
  const { seq } = await log.append(note({ after: "it" }));
  expect(log.head().size).toBe(seq);
});

type Append = AuditStore["append"];
const lost = () => Object.assign(new Error("closed"), { code: "CONNECTION_CLOSED" });

/** Opens a log over the database, of which the first append goes as `first` says. */
async function openWithAppends(first: (real: () => ReturnType<Append>) => ReturnType<Append>) {
  const store = createAuditStore(database.sql, randomUUID());
  const belated: AuditEntry[] = [];
  const turns: Parameters<Append>[] = [];
  const before: { second?: () => Promise<unknown> } = {};
  const log = await openAudit(
    {
      ...store,
      async append(...turn) {
        turns.push(turn);
        if (turns.length === 1) return first(() => store.append(...turn));
        if (turns.length === 2) await before.second?.();
        return store.append(...turn);
      },
    },
    (entry) => belated.push(entry),
  );
  const start = log.head();
  const ghost = () => store.append(...(turns[0] as Parameters<Append>));
  const details = async () =>
    (await store.read(start.size, 10)).map(({ record }) => record.detail["name"]);
  return { log, start, belated, before, ghost, details };
}

test("attack 61: a write whose answer was lost is not written twice, and its asker's entry is told", async () => {
  const { log, start, belated, details } = await openWithAppends(async (real) => {
    await real();
    throw lost();
  });
  const noted = log.appendSoon(note({ name: "happened" }));
  await expect(log.append(note({ name: "asked" }))).rejects.toMatchObject({
    code: "AUDIT_UNAVAILABLE",
  });
  expect(await noted).toMatchObject({ seq: start.size + 1 });
  expect(belated.map(({ record }) => record.detail["name"])).toEqual(["asked"]);
  await log.append(note({ name: "later" }));
  expect(await details()).toEqual(["happened", "asked", "later"]);
});

test("attack 61: a write that was not done although nobody knew it is done once", async () => {
  const { log, belated, ghost, details } = await openWithAppends(() => Promise.reject(lost()));
  const noted = log.appendSoon(note({ name: "happened" }));
  await log.flush();
  await log.append(note({ name: "later" }));
  await noted;
  // The first statement comes to life after all, too late.
  expect(await ghost()).toBe(false);
  expect(belated).toEqual([]);
  expect(await details()).toEqual(["happened", "later"]);
});

test("attack 61: a write that is done while it is tried again is not written twice", async () => {
  const { log, before, ghost, details } = await openWithAppends(() => Promise.reject(lost()));
  before.second = ghost;
  const noted = log.appendSoon(note({ name: "happened" }));
  await log.flush();
  await log.append(note({ name: "later" }));
  await noted;
  expect(await details()).toEqual(["happened", "later"]);
});

test("attack 67: nothing is written to a database that lacks what this hub wrote, until it is there again", async () => {
  await using stack = new AsyncDisposableStack();
  const own = stack.adopt(await openHubDatabase(), (opened) => opened.close());
  const store = createAuditStore(own.sql, randomUUID());
  const log = await openAudit(store);
  const other = await openAudit(store);
  const early = await log.append(note({ name: "early" }));
  const written = [
    await log.append(note({ name: "one" })),
    await log.append(note({ name: "two" })),
  ];

  // As after a failover to a server that had not received them.
  await own.sql`create table kept as select * from audit_log where seq > ${early.seq}`;
  await own.sql`delete from audit_log where seq > ${early.seq}`;
  await own.sql`update audit_head set size = ${early.seq}, hash = ${early.hash}`;
  const noted = log.appendSoon(note({ name: "happened" }));
  const refused = expect.objectContaining({
    code: "AUDIT_UNAVAILABLE",
    message: expect.stringContaining("not in the state that this hub wrote") as string,
  }) as Error;
  await expect(log.append(note({ name: "asked" }))).rejects.toEqual(refused);
  // Another hub writes on, so the log is as long as before, and then longer.
  for (const name of ["other", "another", "third"]) {
    await other.append(note({ name }));
    await expect(log.append(note({ name: "asked" }))).rejects.toEqual(refused);
  }

  await own.sql`delete from audit_log where seq > ${early.seq}`;
  await own.sql`insert into audit_log select * from kept`;
  const { seq, hash } = written[1] ?? early;
  await own.sql`update audit_head set size = ${seq}, hash = ${hash}`;
  expect(await Promise.race([noted, sleep(5_000, "nothing")])).toMatchObject({ seq: seq + 1 });
  await log.append(note({ name: "later" }));
  const entries = await store.read(early.seq, 10);
  expect(entries.map(({ record }) => record.detail["name"])).toEqual([
    ...["one", "two", "happened", "later"],
  ]);
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
