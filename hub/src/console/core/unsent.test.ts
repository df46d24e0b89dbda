import type { AuditEntry } from "@sonde/schemas/audit";
import { expect, test } from "vitest";
import { MAX_UNSENT, Unsent } from "./unsent.ts";

const entry = { seq: 1 } as AuditEntry;

test("a fact that changes often is kept once", () => {
  const unsent = new Unsent();
  for (let count = 0; count < 3; count++) unsent.addChange({ kind: "agent", id: "a" });
  unsent.addChange({ kind: "pin", id: "a" });
  unsent.addEntries([entry]);
  expect(unsent.take()).toEqual({
    changes: [
      { kind: "agent", id: "a" },
      { kind: "pin", id: "a" },
    ],
    entries: [entry],
  });
  expect(unsent.take()).toEqual({ changes: [], entries: [] });
});

test.each([
  [
    "changes",
    (unsent: Unsent) => {
      for (let count = 0; count <= MAX_UNSENT.changes; count++) {
        unsent.addChange({ kind: "agent", id: `${count}` });
      }
    },
  ],
  [
    "entries",
    (unsent: Unsent) => {
      unsent.addEntries(Array.from({ length: MAX_UNSENT.entries + 1 }, () => entry));
    },
  ],
])("a reader that is too far behind with %s has lost its place once", (_what, fill) => {
  const unsent = new Unsent();
  fill(unsent);
  unsent.addChange({ kind: "agent", id: "later" });
  unsent.addEntries([entry]);
  expect(unsent.take()).toBe(null);
  expect(unsent.take()).toEqual({ changes: [], entries: [] });
});
