import { readFileSync, rmSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { findLeftovers } from "../product/processes.ts";
import { runStart, type Start } from "../product/run-start.ts";
import { createDataFolder, startProduct, until } from "../product/start-product.ts";

const data = createDataFolder();
afterEach(() => rmSync(data, { recursive: true, force: true }));

const isSetUp = ({ argv }: { argv: string[] }) =>
  argv.some((argument) => argument.endsWith("set-up-main.ts"));

const findSetUp = () => findLeftovers(data).find(isSetUp)?.pid;

async function startUntilSetUp(): Promise<{ start: Start; setUp: number }> {
  const start = runStart(["--yes", "--json", "--data", data, "--port", "0"]);
  return { start, setUp: await until("the set-up", findSetUp, 120_000) };
}

function nothingRuns(): Promise<boolean> {
  return until("every process to end", () => findLeftovers(data).length === 0);
}

test("the supervisor of a started product is the small program, and the set-up has ended", async () => {
  const product = await startProduct({ data });
  await until("the set-up to end", () => findSetUp() === undefined, 10_000);
  const commandLine = readFileSync(`/proc/${product.pids["supervisor"]}/cmdline`, "utf8");
  expect(commandLine).toContain("dist/cli/start.js");
  await product.stop();
});

test("a set-up that is killed ends the start, which says so and leaves nothing", async () => {
  const { start, setUp } = await startUntilSetUp();
  process.kill(setUp, "SIGKILL");
  expect(await start.ended).toBe(1);
  expect(JSON.parse(start.out())).toMatchObject({
    error: { code: "STARTING_FAILED", message: "the set-up was ended by SIGKILL" },
  });
  await nothingRuns();
});

test("the set-up ends with a supervisor that is killed", async () => {
  const { start } = await startUntilSetUp();
  const supervisor = findLeftovers(data).find(({ argv }) =>
    argv.some((argument) => argument.endsWith("dist/cli/start.js")),
  );
  expect(supervisor).toBeDefined();
  process.kill(supervisor?.pid ?? 0, "SIGKILL");
  await start.ended;
  await nothingRuns();
});
