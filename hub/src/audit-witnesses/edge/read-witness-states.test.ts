import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import type { WitnessSettings } from "../../witness-settings.ts";
import { readWitnessStates } from "./read-witness-states.ts";
import { createWitnessStore } from "./witness-store.ts";

let database: HubDatabase;
beforeAll(async () => {
  database = await openHubDatabase();
});
afterAll(() => database.close());

test("witnesses are told in the order of the configuration, without those of before and those not begun", async () => {
  const store = createWitnessStore(database.sql, randomUUID());
  for (const [name, size] of [
    ["alpha", 7],
    ["gone", 9],
    ["omega", 12],
  ] as const) {
    const taken = await store.take(name, []);
    if (taken === null) throw new Error("expected a witness that nobody serves");
    const takenAt = new Date("2026-01-02T03:04:05.678Z");
    expect(await store.save(taken.lease, { ...taken.place, size, takenAt })).toBe(true);
  }
  const settings = ["omega", "later", "alpha"].map(
    (name): WitnessSettings => ({
      ...{ name, kind: "file", path: `/var/lib/sonde/${name}` },
    }),
  );
  const states = await readWitnessStates({
    ...{ store, settings, failures: () => 0 },
    checkpoints: {
      latest: () => ({ size: 10, root: Buffer.alloc(32), at: new Date(0), note: "" }),
    },
  });
  expect(states.map(({ name, size, lagEntries }) => [name, size, lagEntries])).toEqual([
    ["omega", 12, 0],
    ["alpha", 7, 3],
  ]);
});
