import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { workspace } from "./start-product.ts";

/** `npm start` as it is typed, whatever comes of it. */
export type Start = {
  pid: number;
  out(): string;
  err(): string;
  /** Exit code of npm; a start that runs does not end by itself. */
  ended: Promise<number | null>;
  /** Ctrl-C's elder sister: SIGTERM to npm alone. */
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

/** The launcher below an `npm start`: what a user would meet in a process list. */
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
    // It ended between the listing and this look.
    if (thrown instanceof Error && "code" in thrown) return "";
    throw thrown;
  }
}
