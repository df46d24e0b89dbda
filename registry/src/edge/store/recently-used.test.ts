import { expect, test } from "vitest";
import { createRecentlyUsed } from "./recently-used.ts";

test("the least recently used entries go when the total weight is exceeded", () => {
  const kept = createRecentlyUsed<string>(10);
  kept.set("a", "A", 4);
  kept.set("b", "B", 4);
  expect(kept.get("a")).toBe("A");
  kept.set("c", "C", 4);
  expect([kept.get("a"), kept.get("b"), kept.get("c")]).toEqual(["A", undefined, "C"]);
  kept.set("a", "A2", 6);
  expect([kept.get("a"), kept.get("c")]).toEqual(["A2", "C"]);
  kept.set("d", "D", 11);
  expect([kept.get("a"), kept.get("c"), kept.get("d")]).toEqual([undefined, undefined, undefined]);
});
