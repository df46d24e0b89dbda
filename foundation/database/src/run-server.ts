import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseError } from "./database-error.ts";

const START_MS = 60_000;
const STOP_MS = 60_000;
const LOOK_MS = 20;

/**
 * A server of a cluster. It is a child of this process, and the kernel ends it with this process,
 * however that ends.
 */
export type Server = {
  /** Stops the server. Does nothing when the server has stopped already. */
  stop(): Promise<void>;
};

export type ServerOptions = {
  binDir: string;
  clusterDir: string;
  logFile: string;
  env: NodeJS.ProcessEnv;
  settings: Record<string, string>;
};

/**
 * Starts the server and waits until it accepts connections.
 *
 * @param onLost called once if the server ends before `stop`
 * @throws DatabaseError when it does not start in time
 */
export async function runServer(options: ServerOptions, onLost: () => void): Promise<Server> {
  const server = spawnServer(options);
  const ended = once(server, "exit");
  const failed = once(server, "error").then(([cause]) => {
    throw new DatabaseError(`postgres cannot be started; see ${options.logFile}`, { cause });
  });
  const stop = async (): Promise<void> => {
    if (hasEnded(server)) return;
    server.kill("SIGINT");
    await Promise.race([ended, sleep(STOP_MS, undefined, { ref: false })]);
    if (!hasEnded(server))
      throw new DatabaseError(`${options.clusterDir}: expected its server to stop`);
  };
  try {
    await Promise.race([untilReady(server, options), failed]);
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  let isWanted = true;
  void ended.then(() => {
    if (isWanted) onLost();
  });
  return {
    stop() {
      isWanted = false;
      return stop();
    },
  };
}

/**
 * Stops the server that a killed owner left. The kernel told it to stop when the owner died, so it
 * usually stops while this waits.
 *
 * @throws DatabaseError when it does not stop in time
 */
export async function endLeftServer(clusterDir: string): Promise<void> {
  const pid = findServer(clusterDir);
  if (pid === null) return;
  process.kill(pid, "SIGINT");
  for (let waited = 0; findServer(clusterDir) === pid; waited += LOOK_MS) {
    if (waited > STOP_MS) {
      throw new DatabaseError(`${clusterDir}: expected its former server ${pid} to stop`);
    }
    await sleep(LOOK_MS);
  }
}

function spawnServer({ binDir, clusterDir, logFile, env, settings }: ServerOptions): ChildProcess {
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const log = openSync(logFile, "a", 0o600);
  try {
    // SIGINT is a fast shutdown (postgres(1)). `setpriv` becomes the server and keeps its pid.
    return spawn(
      "setpriv",
      ["--pdeathsig", "INT", "--", join(binDir, "postgres"), "-D", clusterDir, ...flags],
      // A session of its own: a Ctrl-C is for the owner, which still writes while it stops.
      { env, cwd: clusterDir, stdio: ["ignore", log, log], detached: true },
    );
  } finally {
    closeSync(log);
  }
}

async function untilReady(server: ChildProcess, options: ServerOptions): Promise<void> {
  const { clusterDir, logFile } = options;
  for (let waited = 0; waited < START_MS; waited += LOOK_MS) {
    if (hasEnded(server)) {
      const why = findReason(readIfThere(logFile));
      throw new DatabaseError(`postgres failed: ${why}; see ${logFile}`);
    }
    // The last line says how far the server is (pg_ctl reads the same; miscinit.c).
    const [pid, ...lines] = readPidFile(clusterDir);
    if (Number(pid) === server.pid && lines.at(6)?.trim() === "ready") return;
    await sleep(LOOK_MS);
  }
  throw new DatabaseError(`postgres was not ready in ${START_MS / 1000} s; see ${logFile}`);
}

/** The last line in which PostgreSQL names an error, without its time; the last one where none does. */
export function findReason(said: string): string {
  const lines = said.trim().split("\n");
  const line = lines.findLast((text) => /(error|FATAL|PANIC): /.test(text)) ?? lines.at(-1) ?? "";
  return line.replace(/^.*(?=(error|FATAL|PANIC): )/, "").slice(0, 500) || "it said nothing";
}

function hasEnded(server: ChildProcess): boolean {
  return server.exitCode !== null || server.signalCode !== null;
}

/** @returns the pid of the server that runs on this cluster, or null */
function findServer(clusterDir: string): number | null {
  const [line = ""] = readPidFile(clusterDir);
  if (!/^[0-9]+$/.test(line)) return null;
  // Another program may have got the pid since. Only the server names the cluster.
  return readIfThere(`/proc/${line}/cmdline`).includes(clusterDir) ? Number(line) : null;
}

function readPidFile(clusterDir: string): string[] {
  const text = readIfThere(join(clusterDir, "postmaster.pid"));
  return text === "" ? [] : text.split("\n");
}

/** Empty also for a process that ends while it is being read. */
function readIfThere(path: string): string {
  if (!existsSync(path)) return "";
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOENT" || code === "ESRCH") return "";
    throw new DatabaseError(`cannot tell whether a server runs: ${path}`, { cause });
  }
}
