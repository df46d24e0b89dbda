import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chownSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type HubClient, createHubClient } from "./hub-client.ts";
import type { Product } from "./start-product.ts";
import { findProgram } from "./test-packs.ts";

/**
 * Another hub on the database of a running product, with the same keys and a separate data folder.
 */
export type SecondHub = {
  hub: HubClient;
  hubUrl: string;
  mcpUrl: string;
  /** host:port of its control listener. */
  controlAddress: string;
  pid(): number;
  /** Kills it, unless it has ended, and starts it again, as the same hub. */
  killAndRestart(): Promise<void>;
  stop(): Promise<void>;
};

type Ready = { http: number; control: number };

/**
 * @param product must run on a database that is named by DATABASE_URL
 * @param options `env` of its process beside that of this one; `log`, a file for what it says
 *   instead of this process's standard error
 */
export async function startSecondHub(
  product: Pick<Product, "data" | "apiKey">,
  options: { env?: NodeJS.ProcessEnv; log?: string } = {},
): Promise<SecondHub> {
  const log = options.log === undefined ? ("inherit" as const) : openSync(options.log, "a", 0o600);
  const data = mkdtempSync("/tmp/sonde-hub2-");
  const account = findHubAccount();
  const first = JSON.parse(readFileSync(join(product.data, "config/hub.json"), "utf8")) as {
    agents: object;
    http: object;
  };
  const config = join(data, "hub.json");
  const own = join(data, "hub");
  mkdirSync(own);
  if (account.uid !== undefined) {
    for (const path of [data, own]) chownSync(path, account.uid, account.gid);
  }
  const settings = {
    ...first,
    dataDir: own,
    keysDir: join(product.data, "hub/keys"),
    http: { ...first.http, port: 0 },
    agents: { ...first.agents, enrolPort: 0, controlPort: 0 },
  };
  writeFileSync(config, JSON.stringify(settings), { mode: 0o644 });

  const start = async (): Promise<{ child: ChildProcess; ready: Ready }> => {
    const [node, program] = findProgram(product, "hub.js");
    const child = spawn("setpriv", ["--no-new-privs", "--", node, program, config], {
      ...account,
      cwd: "/",
      stdio: ["pipe", "pipe", log],
      env: { ...process.env, ...options.env },
    });
    let output = "";
    const ready = await new Promise<Ready>((done, fail) => {
      child.stdout?.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes("\n")) done(JSON.parse(output) as Ready);
      });
      child.once("exit", () => fail(new Error(`the second hub did not start: ${output}`)));
    });
    return { child, ready };
  };
  const end = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await ended;
  };

  let running = await start();
  const { http, control } = running.ready;
  const hubUrl = `http://127.0.0.1:${http}`;
  return {
    hub: createHubClient(hubUrl, product.apiKey),
    hubUrl,
    mcpUrl: `${hubUrl}/mcp`,
    controlAddress: `127.0.0.1:${control}`,
    pid: () => running.child.pid ?? 0,
    async killAndRestart() {
      await end(running.child, "SIGKILL");
      running = await start();
    },
    async stop() {
      await end(running.child, "SIGTERM");
      if (log !== "inherit") closeSync(log);
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/**
 * Running as root, the keys belong to the hub's own user, so the second hub runs as that user too.
 */
function findHubAccount(): { uid: number; gid: number } | { uid?: undefined; gid?: undefined } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) =>
    Number(execFileSync("id", [flag, "sonde-hub"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}
