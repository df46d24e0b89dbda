import { type ChildProcess, spawn } from "node:child_process";
import { SondeError } from "@sonde/schemas/errors";
import { REACH_AFTER } from "./cut-text.ts";
import { killGroup } from "./kill-group.ts";
import { errnoOf } from "./read-failure.ts";
import { COMMAND_PATH, findTrustedCommand } from "./trusted-command.ts";

export type CommandOutput = {
  /** With what came after the cap, at most REACH_AFTER bytes. */
  stdout: Buffer;
  stderr: Buffer;
  /** The command's exit code; 137 when it was killed because its output went on after the cap. */
  exitCode: number;
  truncated: boolean;
};

export const MAX_STDERR = 65_536;
const KILLED = 137;

/**
 * Runs one command without a shell: absolute path, fixed environment, empty stdin, its
 * own process group. Kills the whole group at the deadline, at the output cap and when
 * the command ends (attack classes 50 and 56). A descendant that left the group survives,
 * but its pipes are closed.
 */
export function runCommand(
  command: string,
  argv: string[],
  maxBytes: number,
  signal: AbortSignal,
): Promise<CommandOutput> {
  return startCommand(command, argv, maxBytes, signal).output;
}

/**
 * Like `runCommand`. `ended` resolves when the process is gone. That may be long after the
 * deadline: a process that waits for a file server dies only when the server answers.
 */
export function startCommand(
  command: string,
  argv: string[],
  maxBytes: number,
  signal: AbortSignal,
): { output: Promise<CommandOutput>; ended: Promise<void> } {
  const path = findTrustedCommand(command);
  const child = spawn(path, argv, {
    argv0: command,
    cwd: "/",
    env: { LC_ALL: "C", PATH: COMMAND_PATH.join(":") },
    stdio: ["ignore", "pipe", "pipe"],
    shell: false,
    detached: true,
  });
  running.add(child);
  const ended = new Promise<void>((resolve) => {
    child.on("close", () => {
      running.delete(child);
      resolve();
    });
  });
  return { output: collect(child, command, maxBytes, signal), ended };
}

const running = new Set<ChildProcess>();

/** Kills every running command. Called before this process ends, so that none is left behind. */
export function stopCommands(): void {
  for (const child of running) killGroup(child);
}

function collect(
  child: ChildProcess,
  command: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<CommandOutput> {
  const stdout = new CappedOutput(maxBytes + REACH_AFTER);
  const stderr = new CappedOutput(MAX_STDERR + REACH_AFTER);
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      killGroup(child);
      child.stdout?.destroy();
      child.stderr?.destroy();
    };
    const onAbort = (): void => {
      stop();
      reject(new SondeError("READ_TIMEOUT", `${command} took too long and was stopped`));
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    child.stdout?.on("data", (chunk: Buffer) => {
      if (!stdout.add(chunk)) stop();
    });
    child.stderr?.on("data", (chunk: Buffer) => stderr.add(chunk));
    child.on("error", (error) => {
      signal.removeEventListener("abort", onAbort);
      reject(spawnFailure(error, command));
    });
    // Processes that the command left in its group would hold the pipes open.
    child.on("exit", () => killGroup(child));
    child.on("close", (code) => {
      signal.removeEventListener("abort", onAbort);
      resolve({
        stdout: stdout.bytes(),
        stderr: stderr.bytes(),
        exitCode: code ?? KILLED,
        truncated: stdout.length > maxBytes,
      });
    });
  });
}

function spawnFailure(error: Error, command: string): SondeError {
  const code = errnoOf(error) === "EACCES" ? "PERMISSION_NEEDED" : "READ_FAILED";
  const message = `${command} could not be started: ${errnoOf(error) ?? "unknown reason"}`;
  return new SondeError(code, message, { cause: error });
}

/** Collects output in chunks and keeps at most `maxBytes`. */
class CappedOutput {
  readonly #maxBytes: number;
  readonly #chunks: Buffer[] = [];
  length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Returns false once the output exceeded the cap. */
  add(chunk: Buffer): boolean {
    const kept = chunk.subarray(0, this.#maxBytes - this.length);
    if (kept.length > 0) this.#chunks.push(kept);
    this.length += kept.length;
    return kept.length === chunk.length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
