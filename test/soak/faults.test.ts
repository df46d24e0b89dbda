import { expect, test } from "vitest";
import { FAULT_KINDS, planFaults } from "./faults.ts";
import { createRandom } from "./random.ts";

function planOf(seed: number, count: number) {
  const faults = planFaults(createRandom(seed));
  return Array.from({ length: count }, () => faults.next().value);
}

test("a seed has the same faults in the same order, and another seed has others", () => {
  const names = (seed: number) => planOf(seed, 60).map(({ name }) => name);
  expect(names(7)).toEqual(names(7));
  expect(names(8)).not.toEqual(names(7));
});

test("each kind of fault comes once before one comes again", () => {
  const kinds = planOf(3, 2 * FAULT_KINDS.length).map(({ kind }) => kind);
  const all = new Set(FAULT_KINDS);
  expect(new Set(kinds.slice(0, FAULT_KINDS.length))).toEqual(all);
  expect(new Set(kinds.slice(FAULT_KINDS.length))).toEqual(all);
});

test("only the kinds that are wanted come", () => {
  const faults = planFaults(createRandom(1), ["failover", "storm"]);
  const kinds = Array.from({ length: 10 }, () => faults.next().value.kind);
  expect(new Set(kinds)).toEqual(new Set(["failover", "storm"]));
});

test("the numbers of a seed are spread over their range, both ends included", () => {
  const random = createRandom(1);
  const drawn = Array.from({ length: 4_000 }, () => random.integer(1, 4));
  for (const value of [1, 2, 3, 4]) {
    const share = drawn.filter((one) => one === value).length / drawn.length;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.3);
  }
  expect(() => random.pick([])).toThrowError("expected something to pick from");
});
