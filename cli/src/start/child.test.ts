import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type Child, startChild } from "./child.ts";

const folder = mkdtempSync(join(tmpdir(), "sonde-child-"));
const children: Child[] = [];
const said: string[] = [];
afterAll(async () => {
  await Promise.all(children.map((child) => child.stop()));
  rmSync(folder, { recursive: true, force: true });
});

async function start(role: string, script: string): Promise<Child> {
  const child = await startChild({
    role,
    command: process.execPath,
    args: ["--eval", script],
    logFile: join(folder, `${role}.log`),
    env: {},
    announces: false,
    beats: true,
    say: (text) => said.push(text),
  });
  children.push(child);
  return child;
}

test("a process that stops beating is replaced, one that beats is not", async () => {
  const silent = await start("silent", "setTimeout(() => {}, 1e6)");
  const beating = await start("beating", `setInterval(() => process.stdout.write("\\n"), 500)`);
  const first = { silent: silent.pid(), beating: beating.pid() };
  await expect.poll(() => silent.pid(), { timeout: 20_000 }).not.toBe(first.silent);
  // Long enough for one that was ended at the same time to be started again.
  await new Promise((done) => setTimeout(done, 2_000));
  expect(beating.pid()).toBe(first.beating);
  expect(said).toEqual([
    expect.stringMatching(/^The silent ended with SIGKILL and is started again/),
  ]);
}, 30_000);
