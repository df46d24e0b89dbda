import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { residentBytes } from "./resident-bytes.ts";

test("a process's resident memory is in bytes, and an ended process has none", () => {
  const share = residentBytes(process.pid) / process.memoryUsage.rss();
  expect(share).toBeGreaterThan(0.8);
  expect(share).toBeLessThan(1.25);
  const { pid } = spawnSync("true");
  expect(residentBytes(pid)).toBe(0);
});
