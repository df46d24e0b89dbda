import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";

export type ProgramProcess = ChildProcessByStdio<Writable, Readable, null>;

/**
 * Starts the admit program with an empty environment.
 *
 * @param flags of Node
 */
export function startProgram(programPath: string, flags: readonly string[] = []): ProgramProcess {
  const child = spawn(process.execPath, [...flags, programPath], {
    env: {},
    cwd: "/",
    stdio: ["pipe", "pipe", "ignore"],
  });
  // A program that ends without reading its input is noticed by its empty reply.
  child.stdin.on("error", () => child.stdin.destroy());
  return child;
}
