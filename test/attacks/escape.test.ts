import { spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FrameReader, encodeStreamFrame } from "../../schemas/src/wire/frames.ts";
import { createAgentClient } from "../../cli/src/agent-client.ts";
import { layoutOf } from "../../cli/src/data-layout.ts";
import { asAccount, ensureAccounts } from "../../cli/src/start/system-users.ts";
import { connectOlderClient } from "../product/mcp-clients.ts";
import { findPid, findPostgres } from "../product/processes.ts";
import { type Product, startProduct, until } from "../product/start-product.ts";
import { addPublisher, findProgram, installPack, trustPublisher } from "../product/test-packs.ts";

// Attack class 49: a hostile script in place of the pack host, under the product's own launcher and
// its real processes. Each wall is also tested alone.

const asRoot = process.getuid?.() === 0;
const folder = mkdtempSync("/tmp/sonde-escaped-");
const program = join(folder, "host", "escaped.mjs");
const unixServer = createServer((socket) => socket.end());
const tcpServer = createServer((socket) => socket.end());
let product: Product;
let honestHost: string;

beforeAll(async () => {
  product = await startProduct({ hubs: 1 });
  const acme = await addPublisher(product, "acme");
  trustPublisher(product, acme);
  const probes = `anything: probe({ description: "Runs in a pack host.",
    result: t.object({ worked: t.array(t.string()) }), run: () => ({ worked: ["the real pack"] }) })`;
  await installPack(product, acme, { name: "acme/escaped", version: "1.0.0", probes });
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, "host"));
  copyFileSync(join(import.meta.dirname, "escaped.mjs"), program);
  honestHost = String(runnerConfig()["packHostPath"]);
  await new Promise<void>((done) => unixServer.listen(join(folder, "socket"), done));
  chmodSync(join(folder, "socket"), 0o666);
  await new Promise<void>((done) => tcpServer.listen(0, "127.0.0.1", done));
  // A setuid program that makes its caller root unless a wall forbids it.
  if (asRoot) {
    copyFileSync("/usr/bin/id", join(folder, "id"));
    chmodSync(join(folder, "id"), 0o4755);
    mkdirSync(join(folder, "open"));
    chmodSync(join(folder, "open"), 0o777);
  }
});
afterAll(async () => {
  await product?.stop();
  unixServer.close();
  tcpServer.close();
  rmSync(folder, { recursive: true, force: true });
});

const configFile = () => join(product.data, "config", "runner.json");
const runnerConfig = () =>
  JSON.parse(readFileSync(configFile(), "utf8")) as Record<string, unknown>;

/** The assets that the walls protect on this machine. */
function writeTargets(): void {
  const at = (...parts: string[]) => join(product.data, ...parts);
  const layout = layoutOf(product.data);
  const targets = {
    read: {
      "the agent's key": at("agent", "identity", "key.pem"),
      "the agent's audit lock": at("agent", "audit", "lock"),
      "the hub's CA key": at("hub", "keys", "ca-key.pem"),
      "the operator's key": layout.operatorKey,
      "a publisher's key": at("config", "publishers", "sonde.key"),
      "/etc/shadow": "/etc/shadow",
      "/etc/passwd": "/etc/passwd",
      "trust.json": layout.trustPolicy,
    },
    write: {
      "/tmp": join("/tmp", `sonde-escaped-${process.pid}`),
      "an open folder": join(folder, "open", "written"),
      "the runners' folder": join(layout.runnerSockets, "written"),
      "a grant": join(layout.grants, "acme--written.json"),
    },
    connect: {
      "an open socket": { path: join(folder, "socket") },
      "the agent": { path: layout.agentSocket },
      "the runner as the agent": { path: join(layout.runnerSockets, "runner.sock") },
      "the registry's operator": { path: layout.registrySocket },
      "the hub's PostgreSQL": { path: at("hub", "run", ".s.PGSQL.5432") },
      "the registry's PostgreSQL": { path: at("registry", "run", ".s.PGSQL.5432") },
      loopback: { host: "127.0.0.1", port: (tcpServer.address() as AddressInfo).port },
      "the hub": { host: "127.0.0.1", port: Number(new URL(product.hubUrl).port) },
      "the world": { host: "1.1.1.1", port: 443 },
    },
    processes: {
      agent: findPid(product, "agent"),
      hub: findPid(product, "hub"),
      postgres: findPostgres(product, "hub"),
      runner: findPid(product, "runner"),
    },
    setuid: join(folder, "id"),
  };
  writeFileSync(join(folder, "host", "targets.json"), JSON.stringify(targets));
}

/** Replaces the pack host by a program and makes the supervisor restart the runner. */
async function replaceHost(packHostPath: string, nodeArgs: string[]): Promise<string> {
  writeFileSync(configFile(), JSON.stringify({ ...runnerConfig(), packHostPath, nodeArgs }));
  const before = findPid(product, "runner") ?? 0;
  process.kill(before, "SIGKILL");
  const agent = createAgentClient(layoutOf(product.data).agentSocket);
  const runner = await until("the runner to be back", async () =>
    (await agent.status()).runners.find(({ pid }) => pid !== before),
  );
  return runner.confinement;
}

async function workedUnderProduct(): Promise<string[]> {
  const client = await connectOlderClient(product.mcpUrl, product.apiKey);
  try {
    const answer = await client.call("acme__escaped_anything", { agent: product.agent });
    const [result] = answer.results;
    if (result?.failure !== undefined) throw new Error(JSON.stringify(result.failure));
    return result?.data?.["worked"] as string[];
  } finally {
    await client.close();
  }
}

/** Runs the script as a plain child process, behind only the walls that `command` adds. */
async function workedBehind(command: string, args: string[]): Promise<string[]> {
  const child = spawn(command, args, { cwd: "/", env: {}, stdio: ["pipe", "pipe", "inherit"] });
  try {
    return await new Promise((done, fail) => {
      const reader = new FrameReader(({ head, body }) => {
        if ((head as { op: string }).op !== "done") return;
        done((JSON.parse(body.toString("utf8")) as { worked: string[] }).worked);
      });
      child.stdout.on("data", (chunk: Buffer) => reader.push(chunk));
      child.once("exit", (code) => fail(new Error(`the script ended with ${code}`)));
      child.stdin.write(encodeStreamFrame({ op: "load", memoryMb: 8 }));
      const run = { op: "run", id: 1, probe: "x", timeoutMs: 1 };
      child.stdin.write(encodeStreamFrame(run, Buffer.from("{}")));
    });
  } finally {
    child.stdin.end();
  }
}

const ALLOW_ALL = ["--allow-fs-read=*", "--allow-fs-write=*", "--allow-child-process"];

// A separate user alone does not prevent these; bubblewrap does. Without bubblewrap, an escaped
// script has all rights of the runner's user.
const ONLY_BUBBLEWRAP_STOPS = [
  "read /etc/passwd",
  "read trust.json",
  "write /tmp",
  "write an open folder",
  "connect an open socket",
  "connect loopback",
  "connect the hub",
  "connect the world",
  "signal runner",
  "see other processes",
  "run a shell",
];

test.each([
  ["both walls", []],
  ["bubblewrap alone, Node's permission model wide open", ALLOW_ALL],
])("an escaped script finds nothing behind %s", async (_, nodeArgs) => {
  const confinement = await replaceHost(program, nodeArgs);
  writeTargets();
  const worked = await workedUnderProduct();
  const walled = confinement === "bubblewrap";
  if (!walled) warn("bubblewrap does not work here: what only it stops was NOT checked");
  const allowed = walled ? [] : ONLY_BUBBLEWRAP_STOPS;
  expect(worked.filter((name) => !allowed.includes(name))).toEqual([]);
});

// Attack 49.
test("a separate user for the runner alone protects agent, hub, keys and root", async () => {
  writeTargets();
  if (!asRoot) {
    warn("not root, so every process has one user: the wall between users was NOT checked");
    return;
  }
  const accounts = ensureAccounts();
  const [node] = findProgram(product, "agent.js");
  const { command, args } = asAccount(accounts, accounts.runner, [], [node, program]);
  const worked = await workedBehind(command, args);
  expect(worked).toContain("connect loopback");
  expect(worked.filter((name) => !ONLY_BUBBLEWRAP_STOPS.includes(name))).toEqual([]);
});

test("without walls the same script reaches everything, so the tests above can fail", async () => {
  writeTargets();
  const worked = await workedBehind(process.execPath, [program]);
  rmSync(join(layoutOf(product.data).grants, "acme--written.json"), { force: true });
  rmSync(join("/tmp", `sonde-escaped-${process.pid}`), { force: true });
  const mustWork = asRoot
    ? [
        "read the agent's key",
        "read the hub's CA key",
        "read /etc/shadow",
        "connect the agent",
        "connect the hub's PostgreSQL",
        "environment of agent",
        "memory of agent",
        "become root",
      ]
    : [];
  for (const name of [
    "connect an open socket",
    "connect loopback",
    "write /tmp",
    "signal agent",
    "run a shell",
    ...mustWork,
  ]) {
    expect(worked).toContain(name);
  }
});

test("with the real pack host restored, the pack answers again", async () => {
  await replaceHost(honestHost, []);
  expect(await workedUnderProduct()).toEqual(["the real pack"]);
});

function warn(text: string): void {
  process.stderr.write(`\n*** ${text} ***\n`);
}
