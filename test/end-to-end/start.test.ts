import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import type { ErrorBody } from "@sonde/schemas/errors";
import { afterAll, expect, test } from "vitest";
import { REACHED_BY, findListeners } from "../../cli/src/find-listeners.ts";
import { findPacks } from "../../cli/src/pack/find-packs.ts";
import { connectOlderClient } from "../product/mcp-clients.ts";
import { findLeftovers } from "../product/processes.ts";
import { findLauncher, runStart, type Start } from "../product/run-start.ts";
import {
  createDataFolder,
  type Endpoints,
  startProduct,
  until,
  workspace,
} from "../product/start-product.ts";

const STOP_TIMEOUT_MS = 20_000;
const data = createDataFolder();
const running: Start[] = [];
let firstKey = "";
let firstAgent = "";
let firstStartMs = 0;

afterAll(async () => {
  for (const start of running) await start.terminate();
  await nothingRuns();
  rmSync(data, { recursive: true, force: true });
});

function nothingRuns(): Promise<boolean> {
  return until("every process to end", () => findLeftovers(data).length === 0, STOP_TIMEOUT_MS);
}

function readEndpoints(): Omit<Endpoints, "apiKey"> {
  const text = readFileSync(join(data, "config", "endpoints.json"), "utf8");
  return JSON.parse(text) as Omit<Endpoints, "apiKey">;
}

/** Runs a printed command in a terminal and answers its question. */
async function answerInTerminal(command: string, answer: string): Promise<string> {
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    cwd: workspace,
    stdio: ["pipe", "pipe", "inherit"],
    timeout: 60_000,
  });
  let seen = "";
  child.stdout.on("data", (chunk: Buffer) => {
    seen += chunk.toString();
    if (seen.includes("[y/N]")) child.stdin.end(`${answer}\n`);
  });
  const [code] = (await once(child, "close")) as [number | null];
  expect(code, seen).toBe(0);
  return seen;
}

test("without a terminal, packs stay pending, and the command that approves them is printed", async () => {
  const startedAt = performance.now();
  const start = runStart(["--data", data, "--port", "0"]);
  running.push(start);
  await until("the product", () => start.out().includes("Ready."), 120_000);
  firstStartMs = performance.now() - startedAt;

  const { mcpUrl, agent, packs } = readEndpoints();
  firstAgent = agent;
  expect(packs.map(({ name, state }) => `${name} ${state}`)).toEqual(
    findPacks(join(workspace, "packs")).map((folder) => `sonde/${basename(folder)} pending`),
  );
  const keyFile = join(data, "hub", "operator-key");
  firstKey = readFileSync(keyFile, "utf8").trim();
  expect(statSync(keyFile).mode & 0o777).toBe(0o600);
  expect(start.out()).toContain(keyFile);
  expect(start.out() + start.err()).not.toContain(firstKey);

  const client = await connectOlderClient(mcpUrl, firstKey);
  const isListed = async () =>
    (await client.listTools()).some(({ name }) => name === "system_disk_usage");
  expect(await isListed()).toBe(false);
  const command = /^sonde\/system stays pending\..*?: (.+)$/m.exec(start.err())?.[1] ?? "";
  expect(command).toContain("agent approve sonde/system");
  const shown = await answerInTerminal(command, "y");
  expect(shown).toContain("/proc/meminfo");
  await until("the approved tool", isListed);
  await client.close();
});

test("SIGTERM to npm ends every process", async () => {
  expect(findLeftovers(data).length).toBeGreaterThan(5);
  const [start] = running.splice(0);
  await start?.terminate();
  await nothingRuns();
});

test("a second start keeps the key, agent and approvals, and is quick", async ({ annotate }) => {
  const startedAt = performance.now();
  const product = await startProduct({ data });
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  await annotate(
    `first start ${seconds(firstStartMs)} s, second ${seconds(performance.now() - startedAt)} s`,
  );
  expect(product.apiKey).toBe(firstKey);
  expect(product.agent).toBe(firstAgent);
  const system = product.packs.find(({ name }) => name === "sonde/system");
  expect(system?.state).toBe("active");

  // However the launcher ends, no process outlives it.
  process.kill(findLauncher(product.npmPid), "SIGKILL");
  await nothingRuns();
  await product.stop();
});

test("with --yes no pack is granted whose engine this host lacks", async () => {
  await using product = await startProduct();
  const granted = readdirSync(join(product.data, "config", "grants"));
  expect(granted).toContain("sonde--system.json");
  expect(granted.includes("sonde--docker.json")).toBe(existsSync("/var/run/docker.sock"));
  const isRedisHere = findListeners(6379, REACHED_BY.get("127.0.0.1") ?? []).length > 0;
  expect(granted.includes("sonde--redis.json")).toBe(isRedisHere);
});

test("a port in use is reported in one sentence, and nothing is left running", async () => {
  // The hub's port is the first of four, and the registry has started by then. The ports are below
  // the ephemeral range, so the other three are free.
  const port = 20_000 + (process.pid % 2000) * 4;
  const taken = createServer().listen(port, "127.0.0.1");
  await once(taken, "listening");
  const start = runStart(["--yes", "--json", "--data", data, "--port", String(port)]);
  expect(await start.ended).toBe(1);
  const [line = "", ...more] = start.out().trimEnd().split("\n");
  expect(more).toEqual([]);
  const { error } = JSON.parse(line) as ErrorBody;
  expect(error.code).toBe("PORT_IN_USE");
  expect(error.message).toContain(String(port));
  expect(error.message.split("\n").length).toBe(1);
  await nothingRuns();
  taken.close();
});
