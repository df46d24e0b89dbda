import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { startTestDatabase } from "@sonde/database/testing";
import { type HubClient, createHubClient } from "./hub-client.ts";
import { startSecondHub } from "./second-hub.ts";

/** The line that `npm start -- --json` prints when everything runs. */
export type Endpoints = {
  mcpUrl: string;
  hubUrl: string;
  consoleUrl: string;
  registryUrl: string;
  apiKey: string;
  agent: string;
  caFile: string;
  pids: Record<string, number>;
  packs: { name: string; version: string; state: string; digest: string | null }[];
};

export type Product = Endpoints & {
  data: string;
  /** The process of `npm start` itself. */
  npmPid: number;
  hub: HubClient;
  /** The supervisor's output on standard error. */
  messages(): string;
  /** The current process ids, by role. They change when a service restarts. */
  stop(): Promise<number | null>;
  [Symbol.asyncDispose](): Promise<void>;
};

export const workspace = resolve(import.meta.dirname, "../..");
const READY_TIMEOUT_MS = 180_000;

/** A data folder that service users can enter. The caller removes it. */
export function createDataFolder(): string {
  return mkdtempSync("/tmp/sonde-e2e-");
}

type StartOptions = {
  data?: string;
  workspace?: string;
  args?: string[];
  env?: NodeJS.ProcessEnv;
  /** A folder that the product, and nobody else, sees as /run. Needs root. */
  runFolder?: string;
  /** For a test that kills or searches the hub's own processes, files or database. */
  hubs?: 1;
};

/**
 * Starts the product exactly as a user does, with `npm start`, on free ports. None of it runs in
 * this process.
 *
 * With SONDE_TEST_HUBS=2, a second hub runs on the same database. The test talks to it, while the
 * agents are at the first hub, so each call and each change of the list passes between hubs. There
 * is one hub all the same for a test that asks for it or that brings its own data folder or
 * database.
 */
export async function startProduct(options: StartOptions = {}): Promise<Product> {
  const isSplit =
    process.env["SONDE_TEST_HUBS"] === "2" &&
    options.hubs === undefined &&
    options.data === undefined &&
    options.env === undefined;
  return isSplit ? await startSplitProduct(options) : await startOneHub(options);
}

async function startSplitProduct(options: StartOptions): Promise<Product> {
  const database = await startTestDatabase();
  const socketDir = new URL(database.url).searchParams.get("host") ?? "";
  chmodSync(dirname(socketDir), 0o755);
  const product = await startOneHub({ ...options, env: { DATABASE_URL: database.url } });
  const second = await startSecondHub(product);
  const { hub, hubUrl, mcpUrl } = second;
  const stop = async () => {
    await second.stop();
    const code = await product.stop();
    await database.close();
    return code;
  };
  return {
    ...{ ...product, hub, hubUrl, mcpUrl, stop },
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
}

async function startOneHub(options: StartOptions): Promise<Product> {
  const data = options.data ?? createDataFolder();
  const args = ["start", "-s", "--", "--json", "--data", data, "--port", "0"];
  const words = ["npm", ...args, ...(options.args ?? ["--yes"])];
  const child = spawn("env", [...enterRunFolder(options.runFolder), ...words], {
    cwd: options.workspace ?? workspace,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
  });
  let messages = "";
  child.stderr.on("data", (chunk: Buffer) => (messages += chunk.toString()));
  const line = await readFirstLine(child, () => messages);
  const endpoints = JSON.parse(line) as Endpoints;
  if (!("mcpUrl" in endpoints)) throw new Error(`the product did not start: ${line}\n${messages}`);
  const stop = async () => {
    const code = await endProcess(child);
    if (options.data === undefined) rmSync(data, { recursive: true, force: true });
    return code;
  };
  return {
    ...endpoints,
    data,
    npmPid: child.pid ?? 0,
    hub: createHubClient(endpoints.hubUrl, endpoints.apiKey),
    messages: () => messages,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
}

function enterRunFolder(folder: string | undefined): string[] {
  if (folder === undefined) return [];
  return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /run && exec "$@"', folder];
}

function readFirstLine(child: ChildProcess, messages: () => string): Promise<string> {
  return new Promise((done, fail) => {
    let text = "";
    const timer = setTimeout(() => {
      child.kill("SIGTERM");
      fail(new Error(`the product was not ready in time:\n${messages()}`));
    }, READY_TIMEOUT_MS);
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const end = text.indexOf("\n");
      if (end === -1) return;
      clearTimeout(timer);
      done(text.slice(0, end));
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      fail(new Error(`the product ended with ${code}:\n${text}\n${messages()}`));
    });
  });
}

function endProcess(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((done) => {
    child.once("exit", (code) => done(code));
    child.kill("SIGTERM");
  });
}

/** A log file of the running product, by role. */
export function readLog(product: Product, role: string): string {
  return readFileSync(join(product.data, "logs", `${role}.log`), "utf8");
}

/** Polls until `look` returns a value. On timeout, throws with the name of what is missing. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
