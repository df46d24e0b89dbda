import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createTurns } from "./take-turns.ts";

test("work runs within its limit, in FIFO order, and a failed task frees its place", async () => {
  const takeTurn = createTurns(3);
  const started: number[] = [];
  let running = 0;
  let most = 0;
  const numbers = Array.from({ length: 10 }, (_, index) => index);
  const all = numbers.map((index) =>
    takeTurn(async () => {
      started.push(index);
      running += 1;
      most = Math.max(most, running);
      await sleep(2);
      running -= 1;
      if (index === 2) throw new Error("failed");
    }),
  );
  const settled = await Promise.allSettled(all);
  expect(settled.map(({ status }) => status === "fulfilled")).toEqual(
    numbers.map((index) => index !== 2),
  );
  expect(started).toEqual(numbers);
  expect(most).toBe(3);
  expect(await Promise.all([1, 2, 3].map((each) => takeTurn(async () => each)))).toEqual([1, 2, 3]);
});
