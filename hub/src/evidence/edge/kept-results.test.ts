import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import type { HubConfig } from "../../config.ts";
import type { SignedAnswer } from "../../links/index.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { openKeptResults } from "./kept-results.ts";

let database: HubDatabase;
beforeAll(async () => {
  database = await openHubDatabase();
});
beforeEach(() => database.sql`truncate kept_results`);
afterAll(() => database.close());

const DAY_MS = 86_400_000;
const answerOf = (
  body: Buffer,
  order: Buffer | null = null,
  reads: Buffer | null = null,
): SignedAnswer => ({ body, order, reads });

function open(evidence: HubConfig["evidence"]) {
  const failures: Error[] = [];
  let at = Date.parse("2026-01-01T00:00:00Z");
  const results = openKeptResults({
    sql: database.sql,
    config: { evidence } as HubConfig,
    now: () => new Date(at),
    report: (error) => failures.push(error),
  });
  /** Keeps one of that size, a second later than the one before. */
  const keep = async (bytes: number) => {
    const callId = randomUUID();
    at += 1_000;
    results.keep(callId, answerOf(randomBytes(bytes)));
    expect((await results.read(callId))?.body.length).toBe(bytes);
    return callId;
  };
  const isKept = async (callId: string) => (await results.read(callId)) !== null;
  return { results, keep, isKept, failures, pass: (ms: number) => (at += ms) };
}

test("a result is kept as it was signed, with its order, and the first one stays", async () => {
  const { results } = open({});
  const answer = answerOf(randomBytes(500_000), randomBytes(900), randomBytes(9_000));
  const callId = randomUUID();
  results.keep(callId, answer);
  results.keep(callId, answerOf(Buffer.from("another")));
  expect(await results.read(callId)).toEqual(answer);
  await results.close();
});

test("results that come one after the other share a commit", async () => {
  const { results } = open({});
  for (let count = 0; count < 3; count++) results.keep(randomUUID(), answerOf(randomBytes(10)));
  await results.close();
  const commits = await database.sql`
    select count(*)::int as results from kept_results group by xmin::text`;
  expect([...commits]).toEqual([{ results: 3 }]);
});

test("agents are asked for reads only when those are kept, and answers too", async () => {
  const asked = [];
  for (const evidence of [undefined, {}, { reads: true }, { reads: true, resultDays: 0 }]) {
    const { results } = open(evidence);
    asked.push(results.keepsReads());
    await results.close();
  }
  expect(asked).toEqual([false, false, true, false]);
});

test("older ones go", async () => {
  const { results, keep, isKept, pass } = open({ resultDays: 2 });
  const old = await keep(10);
  pass(DAY_MS);
  const young = await keep(10);
  pass(DAY_MS);
  await results.drop();
  expect([await isKept(old), await isKept(young)]).toEqual([false, true]);
  await results.close();
});

test("of more than fit the oldest go, orders and reads count too", async () => {
  const { results, keep, isKept } = open({ resultBytes: 100_000 });
  const ids = [];
  for (let count = 0; count < 4; count++) ids.push(await keep(40_000));
  const last = randomUUID();
  results.keep(last, answerOf(randomBytes(1_000), randomBytes(17_000), randomBytes(17_000)));
  expect(await isKept(last)).toBe(true);
  await results.drop();
  const left = [];
  for (const id of [...ids, last]) left.push(await isKept(id));
  expect(left).toEqual([false, false, false, true, true]);
  await results.close();
});

test("what is too old goes by itself each minute, until the hub stops", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const { results, keep, isKept, pass } = open({ resultDays: 2 });
  try {
    const old = await keep(10);
    pass(3 * DAY_MS);
    vi.advanceTimersByTime(59_000);
    expect([await isKept(old), vi.getTimerCount()]).toEqual([true, 1]);
    vi.advanceTimersByTime(1_000);
    await vi.waitFor(async () => expect(await isKept(old)).toBe(false));
    const next = await keep(10);
    pass(3 * DAY_MS);
    vi.advanceTimersByTime(60_000);
    await vi.waitFor(async () => expect(await isKept(next)).toBe(false));
  } finally {
    await results.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  }
});

test("what the database is too slow for is not kept, and that is reported", async () => {
  const { results, failures } = open({});
  const body = Buffer.alloc(1024 * 1024);
  await database.sql.begin(async (tx) => {
    await tx`lock table kept_results in exclusive mode`;
    for (let count = 0; count < 200; count++)
      results.keep(
        randomUUID(),
        answerOf(body.subarray(0, 1000), body.subarray(1000, 3000), body.subarray(3000)),
      );
  });
  await results.close();
  expect(failures[0]?.message).toMatch(/slower than the answers/);
  const [row] = await database.sql<{ count: number }[]>`
    select count(*)::int as count from kept_results`;
  expect(row?.count).toBeGreaterThan(60);
  expect(row?.count).toBeLessThanOrEqual(164);
}, 120_000);

test("a hub whose database fails goes on, and says so", async () => {
  const { results, failures, keep } = open({});
  await database.sql`alter table kept_results add constraint full_disk check (false) not valid`;
  results.keep(randomUUID(), answerOf(Buffer.from("{}")));
  await results.close();
  await database.sql`alter table kept_results drop constraint full_disk`;
  expect(failures.map(({ message }) => message)).toEqual([expect.stringMatching(/full_disk/)]);
  await keep(10);
});
