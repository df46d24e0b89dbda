import { expect, test } from "vitest";
import { createNewest } from "./keep-newest.ts";

test("the first value and the newest of a burst are worked on, one after the other", async () => {
  const done: string[] = [];
  const gates: (() => void)[] = [];
  const keep = createNewest<number>(async (value) => {
    done.push(`begin ${value}`);
    await new Promise<void>((go) => gates.push(go));
    done.push(`end ${value}`);
  });
  for (const value of [1, 2, 3]) keep(value);
  expect(done).toEqual(["begin 1"]);
  gates[0]?.();
  await expect.poll(() => done).toEqual(["begin 1", "end 1", "begin 3"]);
  gates[1]?.();
  await expect.poll(() => done.length).toBe(4);
  keep(4);
  expect(done.at(-1)).toBe("begin 4");
});
