import { afterAll, beforeAll, expect, test } from "vitest";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { openPackUses } from "./pack-uses.ts";

const DAY_MS = 24 * 60 * 60_000;
let database: HubDatabase;

beforeAll(async () => {
  database = await openHubDatabase();
});
afterAll(() => database.close());

test("uses at all hubs count together, from the next day until 30 days later", async () => {
  let clock = Date.parse("2026-01-01T12:00:00Z");
  const open = async () =>
    await openPackUses((await database.openAgain()).sql, () => new Date(clock));
  const [here, there] = [await open(), await open()];
  const seen = async (hub = here) => {
    await hub.refresh();
    return [hub.usesOf("sonde/system"), hub.usesOf("acme/hello")];
  };
  here.count("sonde/system");
  here.count("sonde/system");
  there.count("sonde/system");
  there.count("acme/hello");
  expect([await seen(here), await seen(there)]).toEqual([
    [0, 0],
    [0, 0],
  ]);
  clock += DAY_MS;
  here.count("acme/hello");
  expect([await seen(here), await seen(there)]).toEqual([
    [3, 1],
    [3, 1],
  ]);
  expect((await open()).usesOf("sonde/system")).toBe(3);
  clock += 29 * DAY_MS;
  expect(await seen()).toEqual([3, 2]);
  clock += DAY_MS;
  expect(await seen()).toEqual([0, 1]);
});
