import { rmSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { findLeftovers } from "../product/processes.ts";
import { runStart } from "../product/run-start.ts";
import { createDataFolder, until } from "../product/start-product.ts";

// A start does not depend on the caller's umask, home or locale, and what one leaves does not make
// the next fail.

const data = createDataFolder();
const umask = process.umask();
afterAll(() => {
  process.umask(umask);
  for (const path of [data, `${data}-home`]) rmSync(path, { recursive: true, force: true });
});

test.each([
  ["a closed umask", 0o077, {}],
  ["the umask of a later day", 0o027, {}],
  ["an open umask", 0, {}],
  ["an empty home and another locale", 0o022, { HOME: `${data}-home`, LC_ALL: "tr_TR.UTF-8" }],
] as const)("starts under %s", async (_what, mask, env) => {
  process.umask(mask);
  const start = runStart(["--yes", "--data", data, "--port", "0"], { env });
  process.umask(umask);
  const ended = start.ended.then(() => false);
  const ready = until("the product", () => start.out().includes("Ready."), 120_000);
  expect(await Promise.race([ended, ready]), start.err()).toBe(true);
  expect(await start.terminate()).toBe(0);
  await until("every process to end", () => findLeftovers(data).length === 0, 60_000);
});
