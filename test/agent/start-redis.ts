import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { findFreePort } from "@sonde/database/testing";

const run = promisify(execFile);

/** A Redis server of a test, at a socket that everybody may use and at a port of loopback. */
export type TestRedis = {
  socket: string;
  port: number;
  /** Where it saves to. */
  dataFolder: string;
  /** What `redis-cli` prints, without a line end behind it. */
  cli(...words: string[]): Promise<string>;
  /** The answer as JSON. */
  json(...words: string[]): Promise<unknown>;
  /** Begins a command that does not end by itself. */
  begin(...words: string[]): ChildProcess;
  close(): Promise<void>;
};

export type RedisOptions = {
  /** Further settings, as arguments: `["--maxclients", "20"]`. */
  settings?: string[];
  /** A free one when left out. */
  port?: number;
  /** Stands before each program, such as to enter a network namespace. */
  within?: string[];
};

/** Starts Debian's redis-server. It ends with this process, at the latest. */
export async function startRedis({
  settings = [],
  port,
  within = [],
}: RedisOptions = {}): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), "redis-"));
  chmodSync(folder, 0o755);
  const dataFolder = join(folder, "data");
  mkdirSync(dataFolder);
  const socket = join(folder, "redis.sock");
  const chosen = port ?? (await findFreePort());
  const [command = "", ...argv] = [
    ...[...within, "setpriv", "--pdeathsig", "KILL", "redis-server"],
    ...["--port", String(chosen), "--unixsocket", socket, "--unixsocketperm", "777"],
    ...["--dir", dataFolder, "--save", "", "--daemonize", "no", ...settings],
  ];
  const server = spawn(command, argv, { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  const said: string[] = [];
  const ready = new Promise<void>((resolve, reject) => {
    createInterface(server.stdout).on("line", (line) => {
      said.push(line);
      if (line.includes("Ready to accept connections")) resolve();
    });
    server.once("exit", () => reject(new Error(said.join("\n"))));
    server.once("error", reject);
  });
  await ready;
  const cli = async (...words: string[]): Promise<string> => {
    const { stdout } = await run("redis-cli", ["-s", socket, ...words], { maxBuffer: 2 ** 24 });
    return stdout.trimEnd();
  };
  const begun: ChildProcess[] = [];
  return {
    ...{ socket, port: chosen, dataFolder, cli },
    json: async (...words) => JSON.parse(await cli("--json", ...words)),
    begin(...words) {
      const child = spawn("redis-cli", ["-s", socket, ...words], { stdio: "ignore" });
      begun.push(child);
      return child;
    },
    async close() {
      for (const child of begun) child.kill("SIGKILL");
      if (server.exitCode === null && server.signalCode === null) {
        server.kill("SIGKILL");
        await once(server, "exit");
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
