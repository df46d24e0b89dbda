import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ErrorBody } from "@sonde/schemas/errors";
import { afterAll, describe, expect, test } from "vitest";
import { findLeftovers } from "../product/processes.ts";
import { runStart } from "../product/run-start.ts";
import {
  createDataFolder,
  type Endpoints,
  startProduct,
  until,
  workspace,
} from "../product/start-product.ts";

// A data folder has one owner, and nothing of an owner outlives it.

const MINUTE_MS = 60_000;
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function makeData(): string {
  const data = createDataFolder();
  folders.push(data);
  return data;
}

/** Every file of the administrator, with its time of change. */
function readConfiguration(data: string): Map<string, number> {
  const config = join(data, "config");
  const names = readdirSync(config, { recursive: true, encoding: "utf8" });
  return new Map(names.map((name) => [name, statSync(join(config, name)).mtimeMs]));
}

const refused = async (args: string[], account: { uid?: number; gid?: number } = {}) => {
  const start = runStart(["--yes", "--json", ...args], account);
  expect(await start.ended).toBe(1);
  return (JSON.parse(start.out()) as ErrorBody).error;
};

const nothingRuns = (data: string) =>
  until("every process to end", () => findLeftovers(data).length === 0, MINUTE_MS);

test("attack 73: a second start names the owner and changes nothing, whatever its port", async () => {
  const data = makeData();
  await using product = await startProduct({ data });
  const before = readConfiguration(data);
  for (const port of ["0", new URL(product.hubUrl).port, "29990"]) {
    const { code, message } = await refused(["--data", data, "--port", port]);
    expect(code).toBe("ALREADY_RUNNING");
    expect(message).toContain(`process ${product.pids["supervisor"]} since 20`);
    expect(message).toContain(product.hubUrl);
  }
  if (isRoot) {
    const other = { uid: NOBODY, gid: NOBODY };
    expect((await refused(["--data", data, "--port", "0"], other)).code).toBe("RIGHT_MISSING");
  }
  expect(readConfiguration(data)).toEqual(before);
  expect((await product.hub.send("GET", "/agents")).status).toBe(200);
});

test("of two starts at the same moment one runs and the other says so", async () => {
  const data = makeData();
  const both = [1, 2].map(() => runStart(["--yes", "--json", "--data", data, "--port", "0"]));
  const loser = await Promise.race(both.map((start) => start.ended.then(() => start)));
  expect((JSON.parse(loser.out()) as ErrorBody).error.code).toBe("ALREADY_RUNNING");
  const winner = both.find((start) => start !== loser);
  await until("the other one", () => winner?.out().includes("mcpUrl"), MINUTE_MS);
  await winner?.terminate();
  await nothingRuns(data);
});

describe("nothing is left a minute after the supervisor", () => {
  test.each(["SIGKILL", "SIGHUP", "SIGTERM"] as const)("got %s", async (signal) => {
    const data = makeData();
    const product = await startProduct({ data });
    const supervisor = product.pids["supervisor"] ?? 0;
    process.kill(supervisor, signal);
    // The lock is free with its end, and the next start waits for what still stops.
    await until("the supervisor to end", () => !existsSync(`/proc/${supervisor}`), MINUTE_MS);
    const next = await startProduct({ data });
    expect(next.apiKey).toBe(product.apiKey);
    process.kill(next.pids["supervisor"] ?? 0, signal);
    await nothingRuns(data);
    await Promise.all([product.stop(), next.stop()]);
  });

  test("was killed while a service hangs", async () => {
    const data = makeData();
    const product = await startProduct({ data });
    process.kill(product.pids["hub"] ?? 0, "SIGSTOP");
    process.kill(product.pids["supervisor"] ?? 0, "SIGKILL");
    expect(await nothingRuns(data)).toBe(true);
    await product.stop();
  });

  test("lost its terminal", async () => {
    const data = makeData();
    const line = `npm start -s -- --yes --data ${data} --port 0`;
    // script(1) gives the start a terminal, which closes when script is killed.
    const terminal = spawn("script", ["-qefc", line, "/dev/null"], {
      cwd: workspace,
      stdio: ["pipe", "pipe", "inherit"],
    });
    let seen = "";
    terminal.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()));
    await until("the product", () => seen.includes("Ready."), 2 * MINUTE_MS);
    expect(findLeftovers(data).length).toBeGreaterThan(5);
    terminal.kill("SIGKILL");
    await once(terminal, "close");
    await nothingRuns(data);
  });
});

test("a restarted service is said on the screen", async () => {
  const data = makeData();
  const start = runStart(["--yes", "--data", data, "--port", "0"]);
  await until("the product", () => start.out().includes("Ready."), 2 * MINUTE_MS);
  const text = readFileSync(join(data, "config", "endpoints.json"), "utf8");
  process.kill((JSON.parse(text) as Endpoints).pids["registry"] ?? 0, "SIGKILL");
  await until("the message", () => start.err().includes("The registry ended with SIGKILL"));
  await start.terminate();
  await nothingRuns(data);
});
