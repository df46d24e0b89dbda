import { spawn } from "node:child_process";
import { join } from "node:path";
import type { ErrorBody } from "@sonde/schemas/errors";
import { workspace } from "./start-product.ts";

export type Ended = { code: number | null; out: string; err: string };

/**
 * Runs `sonde` or `sonde-pack` in a separate process, as a person does. Returns its output and exit
 * code.
 */
export function runProgram(
  program: "sonde" | "sonde-pack",
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [join(workspace, "scripts/launch.mjs"), program, ...args], {
    cwd: options.cwd ?? workspace,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code) => done({ code, out, err }));
  });
}

/** The program's `--json` answer. If the program fails, throws with its whole output. */
export async function askProgram<T>(...args: Parameters<typeof runProgram>): Promise<T> {
  const [program, words, options] = args;
  const ended = await runProgram(program, [...words, "--json"], options);
  if (ended.code !== 0) throw new Error(`${program} ${words.join(" ")}: ${JSON.stringify(ended)}`);
  return JSON.parse(ended.out) as T;
}

/** The code of the refusal that a program must end with. */
export async function refusalOf(...args: Parameters<typeof runProgram>): Promise<string> {
  const [program, words, options] = args;
  const ended = await runProgram(program, [...words, "--json"], options);
  if (ended.code !== 1) throw new Error(`expected a refusal, got ${JSON.stringify(ended)}`);
  return (JSON.parse(ended.out) as ErrorBody).error.code;
}
