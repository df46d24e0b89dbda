import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createTurns } from "./take-turns.ts";

test("work runs within the room, in the order it came, and a failure gives its room back", async () => {
  const takeTurn = createTurns(10);
  const started: number[] = [];
  let running = 0;
  let most = 0;
  const weights = [4, 4, 4, 1, 12, 3, 9, 1, 1, 1];
  const all = weights.map((weight, index) =>
    takeTurn(weight, async () => {
      started.push(index);
      running += weight;
      most = Math.max(most, weight > 10 ? 0 : running);
      await sleep(2);
      running -= weight;
      if (index === 2) throw new Error("failed");
      return index;
    }),
  );
  const settled = await Promise.allSettled(all);
  expect(settled.map(({ status }) => status === "fulfilled")).toEqual(
    weights.map((_, index) => index !== 2),
  );
  expect(started).toEqual(weights.map((_, index) => index));
  expect(most).toBeGreaterThan(4);
  expect(most).toBeLessThanOrEqual(10);
  expect(await takeTurn(10, async () => "still room")).toBe("still room");
});
