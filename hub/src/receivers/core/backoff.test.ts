import { expect, test } from "vitest";
import { chooseDelay } from "./backoff.ts";

test("it waits longer with each failure, at random, and a receiver's wish is heard within a bound", () => {
  expect([1, 2, 3, 7, 500].map((failures) => chooseDelay(failures, 0, 0.5))).toEqual([
    500, 1_000, 2_000, 30_000, 30_000,
  ]);
  expect(chooseDelay(3, 0, 0)).toBe(0);
  expect(chooseDelay(1, 20_000, 0.5)).toBe(20_000);
  expect(chooseDelay(1, 1e9, 0.5)).toBe(300_000);
});
