import { afterEach, beforeEach, expect, test } from "vitest";
import { type Directory, openDirectory } from "../../directory/index.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { createRefusalStore, type RefusalStore } from "./refusal-store.ts";

const MINUTE_MS = 60_000;
let database: HubDatabase;
let directory: Directory;
let refused: RefusalStore;
/** The hub's clock. */
let at: number;

beforeEach(async () => {
  database = await openHubDatabase();
  directory = await openDirectory(database.sql, (error) => {
    throw error;
  });
  at = Date.parse("2026-03-01T12:00:00.000Z");
  refused = createRefusalStore(database.sql, directory, () => new Date(at));
});
afterEach(async () => {
  await directory.close();
  await database.close();
});

const note = (value: string, name: string | null = null) =>
  refused.note({ member: "redirects", value }, { name, from: "192.0.2.7" });
const values = async () => (await refused.list()).map(({ value }) => value);

test("the same client is counted once a minute, with the name that it says now", async () => {
  await note("https://chat.example/callback", "Chat");
  await note("https://chat.example/callback", "Claude");
  expect(await refused.list()).toMatchObject([{ name: "Chat", times: 1, from: "192.0.2.7" }]);
  at += MINUTE_MS;
  await note("https://chat.example/callback", "Claude");
  expect(await refused.list()).toMatchObject([{ name: "Claude", times: 2 }]);
});

test("strangers cannot fill it: so many in an hour, and the oldest goes", async () => {
  for (let one = 0; one < 70; one += 1) await note(`https://a${one}.example/callback`);
  expect(await values()).toHaveLength(60);
  at += 60 * MINUTE_MS;
  for (let one = 0; one < 70; one += 1) await note(`https://b${one}.example/callback`);
  const kept = await values();
  expect(kept).toHaveLength(100);
  expect(kept.filter((value) => value.startsWith("https://b"))).toHaveLength(60);
});

test("it is forgotten by a person, and by itself after a week", async () => {
  await note("https://chat.example/callback");
  const [one] = await refused.list();
  expect(await refused.remove(one?.id ?? "")).toBe(true);
  expect(await refused.remove(one?.id ?? "")).toBe(false);
  await note("https://chat.example/callback");
  at += 7 * 24 * 60 * MINUTE_MS - 1;
  await refused.expire();
  expect(await values()).toHaveLength(1);
  at += 1;
  await refused.expire();
  expect(await values()).toEqual([]);
});
