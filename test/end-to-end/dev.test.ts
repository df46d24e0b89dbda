import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { initPack } from "../product/author.ts";
import { connectOlderClient, type McpClient } from "../product/mcp-clients.ts";
import { askProgram, refusalOf, runProgram } from "../product/run-program.ts";
import {
  createDataFolder,
  type Product,
  startProduct,
  until,
  workspace,
} from "../product/start-product.ts";

// `sonde-pack dev` as a process of its own, beside the running product.

type Round = {
  changed: string[];
  pack: { version: string } | null;
  fixtures: { fixture: string; passed: boolean; why?: string }[];
  reloaded: { report: { state: string; reason: { message: string } | null } | null } | null;
  error: { code: string; message: string } | null;
};

let product: Product;
let client: McpClient;
let home: string;
let folder: string;
let dev: ChildProcess;
const rounds: Round[] = [];

beforeAll(async () => {
  product = await startProduct();
  client = await connectOlderClient(product.mcpUrl, product.apiKey);
  home = createDataFolder();
  // The hub and the agent, which run as other users, read a pack from here.
  chmodSync(home, 0o755);
  folder = join(home, "hello");
  await initPack("acme/hello", folder);
});
afterAll(async () => {
  dev?.kill("SIGKILL");
  await client?.close();
  await product?.stop();
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
});

const dataFolder = () => ["--data", product.data];

function edit(file: string, find: string, replacement: string): void {
  const path = join(folder, file);
  const text = readFileSync(path, "utf8");
  if (!text.includes(find)) throw new Error(`${file} has no ${find}`);
  writeFileSync(path, text.replace(find, replacement));
}

/** The next round that `dev` prints. */
async function nextRound(work: () => void): Promise<Round> {
  const before = rounds.length;
  work();
  await until("another round of dev", () => rounds.length > before);
  return rounds[before] as Round;
}

function startDev(): void {
  const words = ["sonde-pack", "dev", folder, "--json", ...dataFolder()];
  dev = spawn(process.execPath, [join(workspace, "scripts/launch.mjs"), ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let rest = "";
  dev.stdout?.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    // The last line says only that it ended.
    rounds.push(...lines.map((line) => JSON.parse(line) as Round).filter(({ changed }) => changed));
  });
}

async function greeting(): Promise<unknown> {
  const answer = await client.call("acme__hello_greet", { agent: product.agent, name: "Ada" });
  return answer.results[0]?.data?.["greeting"] ?? answer;
}

test("a host that demands signatures is not a host to develop on", async () => {
  expect(await refusalOf("sonde-pack", ["dev", folder, ...dataFolder()])).toBe("SIGNATURE_MISSING");
});

test("the first round builds, tests and assigns; a person approves the reads", async () => {
  await askProgram("sonde", ["trust", "allow-unsigned", join(folder, "dist"), ...dataFolder()]);
  const first = await nextRound(startDev);
  expect(first).toMatchObject({ changed: [], error: null, fixtures: [{ passed: true }] });
  expect(first.reloaded?.report).toMatchObject({ state: "pending" });
  expect(first.reloaded?.report?.reason?.message).toContain("sonde agent approve acme/hello");
  await askProgram("sonde", ["agent", "approve", "acme/hello", "--yes", ...dataFolder()]);
  await until("the tool to be listed", async () =>
    (await client.listTools()).some(({ name }) => name === "acme__hello_greet"),
  );
  expect(await greeting()).toBe(`Hello Ada, this is ${hostname()}.`);
});

test("a save is served, with the same version number, and nothing else is asked", async () => {
  const round = await nextRound(() => {
    edit("fixtures/greet.json", "Hello Ada", "Welcome Ada");
    edit("src/greet.ts", "Hello $", "Welcome $");
  });
  expect(round).toMatchObject({
    changed: ["fixtures/greet.json", "src/greet.ts"],
    reloaded: { report: { state: "active" }, held: [] },
  });
  await until("the new answer", async () => {
    return (await greeting()) === `Welcome Ada, this is ${hostname()}.`;
  });
});

test("a fault is named with its place, and what was served stays", async () => {
  const broken = await nextRound(() => edit("src/greet.ts", "run({ params", "run({{ params"));
  expect(broken).toMatchObject({ pack: null, reloaded: null, error: { code: "BUILD_FAILED" } });
  expect(broken.error?.message).toMatch(/^src\/greet\.ts:\d+: /);
  const wrong = await nextRound(() => {
    edit("src/greet.ts", "run({{ params", "run({ params");
    edit("src/greet.ts", "Welcome $", "Goodbye $");
  });
  expect(wrong).toMatchObject({ reloaded: null, error: null, fixtures: [{ passed: false }] });
  expect(wrong.fixtures[0]?.why).toContain("Goodbye Ada");
  expect(await greeting()).toBe(`Welcome Ada, this is ${hostname()}.`);
});

test("a save that asks for more waits for a person", async () => {
  const round = await nextRound(() => {
    edit("src/greet.ts", "Goodbye $", "Welcome $");
    edit("src/sources.ts", "/proc/uptime", "/proc/loadavg");
  });
  expect(round.reloaded?.report).toMatchObject({ state: "held" });
  expect(round.reloaded?.report?.reason?.message).toContain("/proc/loadavg");
  // What is new and what is gone against what was granted.
  const explain = ["agent", "explain", "acme/hello", ...dataFolder()];
  const { out } = await runProgram("sonde", explain);
  expect(out).toMatch(
    / beside what .+ approved at 20.+\n {4}\+ file \/proc\/loadavg\n( {4}\+ reads at most: .+\n)* {4}- file \/proc\/uptime\n/,
  );
});

test("Ctrl-C ends it, and what it reloaded stays", async () => {
  dev.kill("SIGINT");
  const [code] = (await once(dev, "exit")) as [number | null];
  expect(code).toBe(0);
  expect(await greeting()).toBe(`Welcome Ada, this is ${hostname()}.`);
});
