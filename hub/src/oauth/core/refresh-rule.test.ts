import { expect, test } from "vitest";
import { judgeSecondUse } from "./refresh-rule.ts";

const use = (ms: number, from = "192.0.2.1") => ({ at: new Date(ms), from });

test("attack 29: only a second use from the same address within ten seconds is of one client", () => {
  expect(judgeSecondUse(use(0), use(1))).toBe("at-once");
  expect(judgeSecondUse(use(0), use(9_999))).toBe("at-once");
  expect(judgeSecondUse(use(0), use(10_000))).toBe("reuse");
  expect(judgeSecondUse(use(0), use(1, "192.0.2.2"))).toBe("reuse");
});
