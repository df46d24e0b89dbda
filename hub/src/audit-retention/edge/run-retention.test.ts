import { randomUUID } from "node:crypto";
import {
  type AuditEntry,
  type ChainEntry,
  isDropped,
  parseDroppedSegments,
} from "@sonde/schemas/audit";
import type { AuditHold, HoldFilters } from "@sonde/schemas/audit-hold";
import { verifyChain } from "@sonde/trust/chain";
import { firstOf, hubLogLeaf, lastOf } from "@sonde/trust/hub-log";
import {
  type Checkpoint,
  isConsistent,
  proveConsistency,
  proveInclusion,
  rootFromInclusion,
  rootOf,
} from "@sonde/trust/log";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  buildAuditRecord,
  createAuditStore,
  createDroppedStore,
  dropSegment,
  openAudit,
} from "../../audit/index.ts";
import { exportLog } from "../../audit/edge/export-log.ts";
import { createLogSearch, type Wanted } from "../../audit/edge/log-search.ts";
import { createTreeStore } from "../../audit/edge/tree-store.ts";
import { fillOldLog } from "../../testing/fill-old-log.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import type { Limits, SinkPlace } from "../core/find-outdated.ts";
import { createDropStore } from "./drop-lease.ts";
import { createHoldStore } from "./hold-store.ts";
import { type RetentionPorts, type RunningRetention, runRetention } from "./run-retention.ts";

// Over a real database: three whole segments and some entries more, and a clock that is moved.
const DAY_MS = 24 * 3_600_000;
const START = new Date("2026-03-01T00:00:00.000Z");
const SEGMENTS = 3;
const CALL = randomUUID();
const PERSON = randomUUID();
const self = randomUUID();
const running: string[] = [self];
const ANY: Wanted = {
  ...{ principals: null, agents: null, probe: null, tool: null, event: null, decision: null },
  ...{ status: null, call: null, since: null, until: null, text: null },
};
let database: HubDatabase;
let now: Date;
let limits: Limits | null;
let sinks: SinkPlace[] | null;
let reported: Error[];
const started: { one: RunningRetention; looks: number }[] = [];

beforeEach(async () => {
  database = await openHubDatabase();
  now = new Date(START.getTime() + DAY_MS);
  [limits, sinks, reported] = [{ maxDays: 30, maxBytes: null }, [], []];
  await fillOldLog(database.sql, SEGMENTS, START, (seq) => {
    if (seq === 5_000) return { agent: "db-1" };
    if (seq === 9_000) return { principal: `person:${PERSON}` };
    const call = { callId: CALL, agent: "web-1", probe: "acme/hello.greet" };
    if (seq === 10) return { ...call, event: "call.request" };
    return seq === 11 ? { ...call, event: "call.response", status: "ok" } : {};
  });
  await append(10, now);
});
afterEach(async () => {
  running.splice(0, running.length, self);
  await Promise.all(started.splice(0).map(({ one }) => one.stop()));
  await database.close();
});

const storeOf = (hub = self) => createAuditStore(database.sql, hub);
const dropped = () => createDroppedStore(database.sql);
const subjects = {
  ofPerson: (id: string) => Promise.resolve([`person:${id}`]),
};

async function append(count: number, at: Date): Promise<AuditEntry[]> {
  const log = await openAudit(storeOf());
  const records = Array.from({ length: count }, (_, index) =>
    buildAuditRecord(at, "key.created", { detail: { index } }),
  );
  return await Promise.all(records.map((record) => log.append(record)));
}

/** The tree as it is signed now. */
async function sign(): Promise<Checkpoint> {
  const tree = createTreeStore(database.sql);
  while (await tree.grow());
  const frontier = await tree.readFrontier();
  return { size: frontier.size, root: rootOf(frontier), at: now, note: "" };
}

/** @param change replaces ports, such as the checkpoint */
async function start(change: Partial<RetentionPorts> = {}, hub = self): Promise<RunningRetention> {
  const { sql } = database;
  const checkpoint = await sign();
  const holds = createHoldStore(sql, subjects);
  const looking = { looks: 0 };
  const one = runRetention({
    ...{ auditLog: await openAudit(storeOf(hub)), auditStore: storeOf(hub), holds },
    ...{ dropped: dropped(), drops: createDropStore(sql, hub, holds), now: () => now },
    ...{ sinks: () => Promise.resolve(sinks), running: () => running },
    limits() {
      looking.looks += 1;
      return limits;
    },
    checkpoints: { latest: () => checkpoint, problem: () => null },
    report: (error) => void reported.push(error),
    ...change,
  });
  started.push(Object.assign(looking, { one }));
  one.wake();
  return one;
}

async function hold(filters: HoldFilters): Promise<AuditHold> {
  const made = { id: randomUUID(), reason: "a test", filters, at: now.toISOString(), by: "key:1" };
  await createHoldStore(database.sql, subjects).add(made);
  return made;
}

const gone = async () => {
  const rows = await database.sql<{ segment: number }[]>`
    select segment::float8 as segment from audit_dropped order by segment`;
  return rows.map(({ segment }) => segment);
};
const said = async () => {
  const rows = await database.sql<{ seq: number; record: string }[]>`
    select seq::float8 as seq, record from audit_log where event = 'log.dropped' order by seq`;
  return rows.map(({ seq, record }) => ({
    seq,
    detail: parseDroppedSegments((JSON.parse(record) as AuditEntry["record"]).detail),
  }));
};
const segmentAt = (index: number) => ({ index, firstAt: START, lastAt: START, bytes: 0 });
async function hashesOf(index: number): Promise<string[]> {
  const count = lastOf(index) - firstOf(index) + 1;
  const { entries } = await storeOf().readChain(firstOf(index) - 1, count);
  return [entries[0]?.previous ?? "", ...entries.map(({ hash }) => hash)];
}
/**
 * Waits until each hub has looked once more. A look reads the limits first, and begins when the one
 * before it has ended.
 */
async function settle(): Promise<void> {
  for (const hub of [...started, ...started]) {
    const before = hub.looks;
    hub.one.wake();
    await expect.poll(() => hub.looks).toBeGreaterThan(before);
  }
}
const days = (count: number) => new Date(START.getTime() + count * DAY_MS);

test("content goes when it is older than so many days, and the log says so before", async () => {
  await start();
  await settle();
  expect(await gone()).toEqual([]);
  now = days(31.5);
  started[0]?.one.wake();
  await expect.poll(gone).toEqual([0, 1, 2]);
  const [one, ...others] = await said();
  expect(others).toEqual([]);
  expect(one?.detail).toMatchObject({
    ...{ head: { size: lastOf(2) }, kept: [], because: "age" },
    from: new Date(START.getTime() + 100).toISOString(),
    until: new Date(START.getTime() + lastOf(2) * 100).toISOString(),
    checkpoint: { size: lastOf(2) + 10 },
  });
  const rows = await database.sql`select said_by::float8 as by from audit_dropped`;
  expect(rows.map(({ by }) => by as number)).toEqual([one?.seq, one?.seq, one?.seq]);
  expect(reported).toEqual([]);
});

test("of an entry only its number and hashes are left, and the chain is whole", async () => {
  const before = await storeOf().read(0, 20_000);
  now = days(31.5);
  await start();
  await expect.poll(gone).toEqual([0, 1, 2]);
  const { entries } = await storeOf().readChain(0, 20_000);
  expect(
    entries.slice(0, before.length).map(({ seq, previous, hash }) => [seq, previous, hash]),
  ).toEqual(before.map(({ seq, previous, hash }) => [seq, previous, hash]));
  expect(entries.filter(isDropped)).toHaveLength(lastOf(2));
  expect(verifyChain(entries)).toEqual(await storeOf().readHead());
  const left = await database.sql`
    select (select count(*) from audit_log where seq <= ${lastOf(2)})::int as rows,
      (select count(*) from audit_times where span <= 2)::int as times`;
  expect(left[0]).toEqual({ rows: 0, times: 0 });
  // A page that begins within a segment, and one at the place where content begins.
  const page = await storeOf().readChain(5_000, 3);
  expect(page.entries.map(({ seq }) => seq)).toEqual([5_001, 5_002, 5_003]);
  expect(page.saidBy).toBe((await said())[0]?.seq);
  const edge = await storeOf().readChain(lastOf(2) - 1, 2);
  expect(edge.entries.map((entry) => isDropped(entry))).toEqual([true, false]);
  expect(await storeOf().readHash(5_000)).toBe(before[4_999]?.hash);
  expect(await storeOf().readHash(1)).toBe(before[0]?.hash);
});

test("entries are proven to be in the tree as before, dropped ones and those beside them", async () => {
  const before = await sign();
  now = days(31.5);
  await start();
  await expect.poll(gone).toEqual([0, 1, 2]);
  await append(5, now);
  const { size, root } = await sign();
  const { readTile } = createTreeStore(database.sql);
  for (const seq of [1, 255, 256, 257, lastOf(0), firstOf(1), lastOf(2), lastOf(2) + 1, size]) {
    const hash = await storeOf().readHash(seq);
    const path = await proveInclusion(seq - 1, size, readTile);
    expect(rootFromInclusion(hubLogLeaf(hash ?? ""), seq - 1, size, path)).toEqual(root);
  }
  const grown = await proveConsistency(before.size, size, readTile);
  expect(isConsistent(before, { size, root }, grown)).toBe(true);
});

test("content goes when there are more bytes than the limit, and not more than that", async () => {
  const [row] = await database.sql<{ all: number; first: number; sum: number }[]>`
    select sum(bytes)::float8 as all, min(bytes) filter (where span = 0)::float8 as first,
      (select sum(octet_length(record)) from audit_log)::float8 as sum from audit_times`;
  expect(row?.all).toBe(row?.sum);
  limits = { maxDays: null, maxBytes: (row?.all ?? 0) - 1 };
  now = days(2.5);
  await start();
  await expect.poll(gone).toEqual([0]);
  await settle();
  expect(await gone()).toEqual([0]);
  expect((await said())[0]?.detail).toMatchObject({ because: "size", bytes: row?.first });
});

test.each<[string, HoldFilters, number[]]>([
  ["an agent", { agent: "db-1" }, [0, 2]],
  ["a person", { person: PERSON }, [0, 1]],
  [
    "a time",
    { since: START.toISOString(), until: new Date(START.getTime() + 60_000).toISOString() },
    [1, 2],
  ],
  ["everything", {}, []],
  ["an agent that is nowhere", { agent: "db-2" }, [0, 1, 2]],
])(
  "a hold for %s keeps each segment with an entry of it, until it ends",
  async (_of, filters, left) => {
    const { id } = await hold(filters);
    now = days(31.5);
    await start();
    await expect.poll(gone).toEqual(left);
    await settle();
    expect(await gone()).toEqual(left);
    await createHoldStore(database.sql, subjects).remove(id);
    started[0]?.one.wake();
    await expect.poll(gone).toEqual([0, 1, 2]);
    const claims = await said();
    const kept = claims.map(({ detail }) => detail.kept);
    // What was on hold is named, and the last record speaks for all.
    if (filters.agent === "db-1") expect(kept).toEqual([[{ from: firstOf(1), to: lastOf(1) }], []]);
    expect(claims.at(-1)?.detail).toMatchObject({ kept: [], head: { size: lastOf(2) } });
  },
);

test("a hold that comes between the record and the drop keeps the content", async () => {
  now = days(31.5);
  const holds = createHoldStore(database.sql, subjects);
  const drops = createDropStore(database.sql, self, holds);
  let made = false;
  await start({
    holds,
    drops: {
      ...drops,
      async drop(...args) {
        if (!made) await hold({ agent: "db-1" });
        made = true;
        return await drops.drop(...args);
      },
    },
  });
  await expect.poll(gone).toEqual([0, 2]);
  expect((await storeOf().read(4_999, 1))[0]?.record.agent).toBe("db-1");
});

test("only what a checkpoint has, and only of a log that is the one that was signed, goes", async () => {
  now = days(31.5);
  const { root } = await sign();
  const known = { size: lastOf(0), root, at: now, note: "" };
  await start({ checkpoints: { latest: () => known, problem: () => null } });
  await expect.poll(gone).toEqual([0]);
  const problem = new Error("another log");
  await start({
    checkpoints: { latest: () => ({ ...known, size: 99_999 }), problem: () => problem as never },
  });
  await settle();
  expect(await gone()).toEqual([0]);
  await start({ checkpoints: { latest: () => null, problem: () => null } });
  await settle();
  expect(await gone()).toEqual([0]);
});

test("content that was changed is evidence: nothing goes, and it is told once", async () => {
  await database.sql`update audit_log set record = replace(record, '"number":700', '"number":701')
    where seq = 700`;
  now = days(31.5);
  await start();
  await expect.poll(() => reported.length).toBe(1);
  await settle();
  expect(reported).toMatchObject([
    { code: "AUDIT_INCONSISTENT", message: expect.stringMatching(/entry 700/) as string },
  ]);
  expect([await gone(), await said()]).toEqual([[], []]);
});

test("a sink that has not delivered it is waited for, and so is one that has not begun", async () => {
  now = days(31.5);
  sinks = null;
  const one = await start();
  await settle();
  expect(await gone()).toEqual([]);
  sinks = [{ seq: lastOf(0), failingSince: null }];
  one.wake();
  await expect.poll(gone).toEqual([0]);
  // It has failed for longer than content is kept.
  sinks = [{ seq: lastOf(0), failingSince: START }];
  one.wake();
  await expect.poll(gone).toEqual([0, 1, 2]);
});

test("a call that is open is closed before its content goes", async () => {
  const { sql } = database;
  await sql`update audit_log set call_id = null where seq = 11`;
  now = days(31.5);
  const one = await start();
  await settle();
  expect(await gone()).toEqual([]);
  expect((await storeOf().readOpenRequests([])).map(({ record }) => record.callId)).toEqual([CALL]);
  const log = await openAudit(storeOf());
  await log.append(buildAuditRecord(now, "call.unknown", { callId: CALL, status: "failure" }));
  one.wake();
  await expect.poll(gone).toEqual([0, 1, 2]);
});

test("a request on hold whose answer was dropped is no open call", async () => {
  await database.sql`update audit_log set call_id = ${randomUUID()}, event = 'call.request'
    where seq = 5000`;
  // Its answer is in the next segment.
  await database.sql`update audit_log set call_id = (select call_id from audit_log where seq = 5000),
    event = 'call.response' where seq = 9000`;
  await hold({ agent: "db-1" });
  now = days(31.5);
  await start();
  await expect.poll(gone).toEqual([0, 2]);
  expect(await storeOf().readOpenRequests([])).toEqual([]);
});

test("the trust policy that a hub recorded last is known when that record is dropped", async () => {
  const [old, newer] = ["a".repeat(64), "b".repeat(64)];
  const writer = randomUUID();
  for (const [seq, sha256] of [
    [20, old],
    [6_000, newer],
  ] as const) {
    const record = JSON.stringify(
      buildAuditRecord(START, "policy.changed", { detail: { sha256, previous: null } }),
    );
    await database.sql`update audit_log set event = 'policy.changed', writer = ${writer},
      record = ${record} where seq = ${seq}`;
  }
  expect(await storeOf(writer).readPolicyHash()).toBe(newer);
  const drop = async (index: number) => {
    const hashes = await hashesOf(index);
    await database.sql.begin((tx) => dropSegment(tx, segmentAt(index), hashes, 1));
  };
  // The older one stays for longer, as on hold.
  await drop(1);
  expect(await storeOf(writer).readPolicyHash()).toBe(newer);
  await drop(0);
  expect(await storeOf(writer).readPolicyHash()).toBe(newer);
  expect(await storeOf().readPolicyHash()).toBeNull();
});

test("a segment that does not have all of its entries is not dropped", async () => {
  const hashes = await hashesOf(1);
  await database.sql`delete from audit_log where seq = 5000`;
  const dropping = database.sql.begin((tx) => dropSegment(tx, segmentAt(1), hashes, 1));
  await expect(dropping).rejects.toMatchObject({ code: "AUDIT_INCONSISTENT" });
  expect([await gone(), (await storeOf().read(5_000, 1))[0]?.seq]).toEqual([[], 5_001]);
});

test("one hub of a database drops, and another goes on when it is gone", async () => {
  const other = randomUUID();
  running.push(other);
  now = days(31.5);
  const drops = createDropStore(database.sql, other, { isHeld: () => Promise.resolve(false) });
  const lease = await drops.take(running);
  const one = await start();
  await settle();
  expect(await gone()).toEqual([]);
  running.splice(running.indexOf(other), 1);
  one.wake();
  await expect.poll(gone).toEqual([0, 1, 2]);
  expect(await drops.take([self, other])).toBeNull();
  if (lease === null) throw new Error("expected a lease");
  expect(await drops.drop(lease, segmentAt(3), [], 1)).toBe("lost");
});

test("two hubs that look at the same time drop everything once", async () => {
  const other = randomUUID();
  running.push(other);
  now = days(31.5);
  const checkpoint = await sign();
  const checkpoints = { latest: () => checkpoint, problem: () => null };
  await Promise.all([start({ checkpoints }), start({ checkpoints }, other)]);
  await expect.poll(gone).toEqual([0, 1, 2]);
  await settle();
  expect(await said()).toHaveLength(1);
  expect(reported).toEqual([]);
});

test("a hub that ended after it had said so goes on, and says nothing twice", async () => {
  now = days(31.5);
  const holds = createHoldStore(database.sql, subjects);
  const drops = createDropStore(database.sql, self, holds);
  let count = 0;
  const first = await start({
    drops: {
      ...drops,
      drop: async (...args) => ((count += 1) === 2 ? "lost" : await drops.drop(...args)),
    },
  });
  await expect.poll(() => count).toBe(2);
  await first.stop();
  expect(await gone()).toEqual([0]);
  await start();
  await expect.poll(gone).toEqual([0, 1, 2]);
  expect(await said()).toHaveLength(1);
});

test("limits that are gone keep what was not dropped yet", async () => {
  limits = null;
  now = days(31.5);
  await start();
  await settle();
  expect([await gone(), await said()]).toEqual([[], []]);
});

test("a search says what it lacks, of its part and its time", async () => {
  now = days(31.5);
  await start();
  await expect.poll(gone).toEqual([0, 1, 2]);
  const all = { from: 1, to: lastOf(2) + 11 };
  const until = new Date(START.getTime() + lastOf(2) * 100).toISOString();
  expect(await dropped().find(all)).toEqual({ to: lastOf(2), until });
  expect(await dropped().find({ from: lastOf(2) + 1, to: all.to })).toBeNull();
  expect(await dropped().find({ from: 1, to: 100 })).toMatchObject({ to: 100 });
  const first = { since: null, until: new Date(START.getTime() + 1_000) };
  expect(await dropped().find(all, first)).toMatchObject({ to: lastOf(0) });
  expect(await dropped().find(all, { since: days(5), until: null })).toBeNull();
  const search = createLogSearch(database.sql);
  const found = await search.page({ ...ANY, call: CALL }, all, "newest", 10);
  expect(found).toEqual({ entries: [], searched: all });
});

test("an export that began before content went has the entry that speaks for it", async () => {
  const { sql } = database;
  const head = await storeOf().readHead();
  const mayGoOn = () => Promise.resolve(true);
  const ports = { search: createLogSearch(sql), store: storeOf(), dropped: dropped() };
  const lines = exportLog(
    { ...ports, elapsed: () => 0, mayGoOn },
    { wanted: ANY, filters: {}, head },
  );
  const chunks = lines[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let text = String((await chunks.next()).value);
  now = days(31.5);
  await start();
  await expect.poll(gone).toEqual([0, 1, 2]);
  await append(5, now);
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
    text += String(next.value);
  }
  const parsed = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as ChainEntry);
  const end = parsed.pop();
  const saidBy = (await said())[0]?.seq;
  expect(end).toMatchObject({ complete: true, searched: { from: 1, to: saidBy } });
  expect(parsed.map(({ seq }) => seq)).toEqual(parsed.map((_, place) => place + 1));
  expect(verifyChain(parsed)).toMatchObject({ size: saidBy });
  expect(parsed.filter(isDropped).length).toBeGreaterThan(lastOf(2) - 4_096);
  expect(head.size).toBeLessThan(saidBy ?? 0);
});

test("whoever writes does not wait for what is dropped", async () => {
  const log = await openAudit(storeOf());
  const hashes = await hashesOf(0);
  await database.sql.begin(async (tx) => {
    await dropSegment(tx, segmentAt(0), hashes, 1);
    // Durable while the content is still going.
    await log.append(buildAuditRecord(now, "key.created", {}));
  });
  expect(await gone()).toEqual([0]);
});
