import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { createKeptPages, type KeptPages } from "./kept-pages.ts";

const HOUR_MS = 60 * 60_000;
let database: HubDatabase;
let clock: number;
/** Of two hubs on one database. */
let [here, there]: KeptPages[] = [];

beforeAll(async () => {
  database = await openHubDatabase();
  const other = await database.openAgain();
  [here, there] = [database.sql, other.sql].map((sql) =>
    createKeptPages(sql, () => new Date(clock)),
  );
});
beforeEach(async () => {
  clock = Date.parse("2026-01-01T00:00:00Z");
  await database.sql`truncate kept_pages`;
});
afterAll(() => database.close());

async function first(hub: KeptPages | undefined, id: string, principal = "key:a") {
  return await hub?.read({ id, page: 1 }, principal);
}

async function keep(principal = "key:a", pages = ["one", "two"]): Promise<string> {
  const id = randomUUID();
  clock += 1;
  await here?.keep(id, principal, pages);
  return id;
}

test("a page is read at any hub of the database, by who asked and by nobody else", async () => {
  const id = await keep();
  for (const hub of [here, there]) {
    expect(await hub?.read({ id, page: 2 }, "key:a")).toEqual({ text: "two", pages: 2 });
    expect(await hub?.read({ id, page: 3 }, "key:a")).toBe(null);
    expect(await first(hub, id, "key:b")).toBe(null);
    expect(await first(hub, randomUUID())).toBe(null);
  }
});

test("a page is gone after an hour, and its row with it", async () => {
  const id = await keep();
  clock += HOUR_MS - 1;
  expect(await first(there, id)).not.toBe(null);
  clock += 1;
  expect(await first(there, id)).toBe(null);
  await there?.expire();
  expect(await database.sql`select from kept_pages`).toEqual([]);
});

test("a principal keeps 20 answers, and another one's stay", async () => {
  const others = await keep("key:b");
  const kept: string[] = [];
  for (let count = 0; count < 21; count++) kept.push(await keep());
  const found = await Promise.all(kept.map((id) => first(here, id)));
  expect(found.map((page) => page === null)).toEqual([true, ...Array<boolean>(20).fill(false)]);
  expect(await first(here, others, "key:b")).not.toBe(null);
});

test("a principal keeps 32 MiB, the newest first", async () => {
  const large = ["x".repeat(13 * 1024 * 1024)];
  const kept = [await keep("key:a", large), await keep("key:a", large), await keep("key:a", large)];
  const found = await Promise.all(kept.map((id) => first(here, id)));
  expect(found.map((page) => page === null)).toEqual([true, false, false]);
});
