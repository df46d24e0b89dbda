import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { findWitnesses, readWitnesses } from "./keep-witness.ts";

let database: HubDatabase;
beforeAll(async () => {
  database = await openHubDatabase();
  // Neither by name nor by size, and sizes whose texts are in another order than their numbers.
  for (const [name, size] of [
    ["b-1", 90],
    ["d-1", 1_000],
    ["c-1", 1_000],
    ["a-1", 200],
    ["e-1", null],
  ] as const) {
    const witness = size === null ? null : { size, root: "", at: "2026-01-02T03:04:05.678Z" };
    await database.sql`insert into agents (id, name, public_key, enrolled_at, witness)
      values (${randomUUID()}, ${name}, ${`key of ${name}`}, now(),
        ${witness === null ? null : database.sql.json(witness)})`;
  }
});
afterAll(() => database.close());

const find = async (size: number, first: string | null, limit = 10) =>
  (await findWitnesses(database.sql, { size, first, limit })).map(({ agent }) => agent);

test("witnesses of a call are those that have it: its own agent first, then those with the most", async () => {
  expect(await find(90, null)).toEqual(["c-1", "d-1", "a-1", "b-1"]);
  expect(await find(90, "b-1")).toEqual(["b-1", "c-1", "d-1", "a-1"]);
  expect(await find(91, "b-1")).toEqual(["c-1", "d-1", "a-1"]);
  expect(await find(1_001, "b-1")).toEqual([]);
});

test("of many witnesses the first are found, and the agent of the call is among them", async () => {
  expect(await find(1, "a-1", 2)).toEqual(["a-1", "c-1"]);
  expect(await find(1, "nobody-1", 3)).toEqual(["c-1", "d-1", "a-1"]);
});

test("all witnesses are read by name, each with the key that signed its word", async () => {
  const all = await readWitnesses(database.sql);
  expect(all.map(({ agent, size, publicKey }) => [agent, size, publicKey])).toEqual([
    ["a-1", 200, "key of a-1"],
    ["b-1", 90, "key of b-1"],
    ["c-1", 1_000, "key of c-1"],
    ["d-1", 1_000, "key of d-1"],
  ]);
});
