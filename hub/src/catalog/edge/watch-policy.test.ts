import type { AuditEntry } from "@sonde/schemas/audit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

let hub: TestHub;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

async function readChanges() {
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = answer["entries"] as AuditEntry[];
  return entries
    .filter(({ record }) => record.event === "policy.changed")
    .map(({ record: { detail } }) => detail);
}

test("a change of the trust policy is recorded, by a hub that runs and by one that was stopped", async () => {
  const [first] = await readChanges();
  expect(first).toMatchObject({ previous: null, publishers: ["acme"] });
  hub.setTrusted(false);
  await vi.waitFor(async () => expect((await readChanges()).length).toBe(2), 10_000);
  const [, second] = await readChanges();
  expect(second).toMatchObject({ previous: first?.["sha256"], publishers: [] });
  // Nothing changes, so a start records nothing.
  await hub.restart();
  expect((await readChanges()).length).toBe(2);
  await hub.restart(() => hub.setTrusted(true));
  expect((await readChanges()).slice(2)).toEqual([
    { sha256: first?.["sha256"], previous: second?.["sha256"], publishers: ["acme"] },
  ]);
});
