import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { workspace } from "./start-product.ts";

/** `npm start` as a person types it, whether it succeeds or not. */
export type Start = {
  pid: number;
  out(): string;
  err(): string;
  /** Exit code of npm. A successful start does not end until it is stopped. */
  ended: Promise<number | null>;
  /** Sends SIGTERM to npm alone, as a process manager does. */
  terminate(): Promise<number | null>;
};

export function runStart(
  args: string[],
  options: { cwd?: string; uid?: number; gid?: number; env?: NodeJS.ProcessEnv } = {},
): Start {
  const { cwd = workspace, env, ...account } = options;
  const child = spawn("npm", ["start", "-s", "--", ...args], {
    cwd,
    ...account,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<number | null>((done, fail) => {
    child.once("error", fail);
    child.once("close", done);
  });
  return {
    pid: child.pid ?? 0,
    out: () => out,
    err: () => err,
    ended,
    terminate() {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

/** The launcher process below an `npm start`, as a process list shows it. */
export function findLauncher(npmPid: number): number {
  const pids = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
  const found = pids.find((pid) => {
    const parent = readFile(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ")[1];
    return parent === String(npmPid) && readFile(`/proc/${pid}/cmdline`).includes("launch.mjs");
  });
  if (found === undefined) throw new Error(`npm ${npmPid} runs no launcher`);
  return Number(found);
}

function readFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    // The process ended between listing and reading.
    if (thrown instanceof Error && "code" in thrown) return "";
    throw thrown;
  }
}
