import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { isErrorCode, SondeError } from "@sonde/schemas/errors";
import { type SocketPlace, withListeningSocket } from "./listening-socket.ts";

const FIRST_RESTART_MS = 200;
const MAX_RESTART_MS = 5_000;
/** A process that ran at least this long restarts without back-off. */
const SETTLED_MS = 30_000;
const READY_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 15_000;
/** Longer than a loaded machine delays the output of a healthy process. */
const SILENCE_MS = 10_000;

export type ChildOptions = {
  role: string;
  command: string;
  args: string[];
  /** Null where it writes to this process's standard error. */
  logFile: string | null;
  env: NodeJS.ProcessEnv;
  /**
   * Whether the process prints one JSON line when it is ready. That line is the result of the
   * start.
   */
  announces: boolean;
  /**
   * Whether the process writes to standard output each second. It is killed when it stops writing.
   */
  beats: boolean;
  /** Tells a person that the process ended by itself and is started again. */
  say: (text: string) => void;
  /** A socket on which the process listens. It gets the socket as descriptor 3. */
  listensAt?: SocketPlace;
};

/**
 * A supervised service process. It restarts with back-off when it dies, and ends with this
 * supervisor, because its standard input then closes.
 */
export type Child = {
  role: string;
  pid(): number;
  /** The ready line of the first start. */
  ready: Record<string, unknown>;
  stop(): Promise<void>;
};

/** @throws SondeError with the child's own code, or STARTING_FAILED naming its log file */
export async function startChild(options: ChildOptions): Promise<Child> {
  let stopping = false;
  let delayMs = FIRST_RESTART_MS;
  let current = launch(options);
  const ready = await current.ready;

  function superviseCurrent(): void {
    const startedAt = Date.now();
    current.process.once("exit", (code, signal) => {
      if (stopping) return;
      options.say(
        `The ${options.role} ended with ${signal ?? code} and is started again${seeLog(options)}`,
      );
      if (Date.now() - startedAt > SETTLED_MS) delayMs = FIRST_RESTART_MS;
      setTimeout(() => {
        if (stopping) return;
        current = launch(options);
        // A failed restart ends the process again, which triggers this handler again.
        current.ready.catch(() => current.process.kill("SIGKILL"));
        superviseCurrent();
      }, delayMs);
      delayMs = Math.min(delayMs * 2, MAX_RESTART_MS);
    });
  }
  superviseCurrent();

  return {
    role: options.role,
    pid: () => current.process.pid ?? 0,
    ready,
    async stop() {
      stopping = true;
      await endProcess(current.process);
    },
  };
}

type Launched = { process: ChildProcess; ready: Promise<Record<string, unknown>> };

function launch(options: ChildOptions): Launched {
  const log = options.logFile === null ? 2 : openSync(options.logFile, "a", 0o600);
  const start = (handedOver: number[]): ChildProcess =>
    spawn(options.command, options.args, {
      stdio: ["pipe", options.announces || options.beats ? "pipe" : log, log, ...handedOver],
      env: options.env,
      cwd: "/",
      // A signal of the terminal is for the supervisor, which ends its services in order.
      detached: true,
    });
  const child =
    options.listensAt === undefined
      ? start([])
      : withListeningSocket(options.listensAt, (fd) => start([fd]));
  // The child has its own.
  if (log !== 2) closeSync(log);
  // Kept open for the supervisor's lifetime. Nothing is ever written to it.
  child.stdin?.on("error", () => undefined);
  const ready = options.announces ? readReadyLine(child, options) : Promise.resolve({});
  if (options.beats) killWhenSilent(child);
  return { process: child, ready };
}

/** Detects a stopped or looping process, which neither ends nor answers, by its silence. */
function killWhenSilent(child: ChildProcess): void {
  const timer = setTimeout(() => child.kill("SIGKILL"), SILENCE_MS);
  child.stdout?.on("data", () => timer.refresh());
  child.once("exit", () => clearTimeout(timer));
}

function readReadyLine(
  child: ChildProcess,
  options: ChildOptions,
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    let text = "";
    const fail = (message: string) =>
      reject(new SondeError("STARTING_FAILED", `${message}${seeLog(options)}`));
    const timer = setTimeout(
      () => fail(`the ${options.role} was not ready in time`),
      READY_TIMEOUT_MS,
    );
    child.once("error", (error) => fail(`the ${options.role} cannot be started: ${error.message}`));
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(
        readError(text) ??
          new SondeError(
            "STARTING_FAILED",
            `the ${options.role} ended with ${code}${seeLog(options)}`,
          ),
      );
    });
    child.stdout?.on("data", (chunk: Buffer) => {
      if (text.length < 65_536) text += chunk.toString();
      const end = text.indexOf("\n");
      if (end === -1) return;
      const line = parseLine(text.slice(0, end));
      if (line?.["ready"] !== true) return;
      clearTimeout(timer);
      resolve(line);
    });
  });
}

function seeLog({ logFile }: ChildOptions): string {
  return logFile === null ? "" : `; see ${logFile}`;
}

function parseLine(line: string): Record<string, unknown> | null {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return null;
  }
}

/** Parses the error body that a service prints on standard output when it cannot start. */
function readError(text: string): SondeError | null {
  const line = parseLine(text.split("\n")[0] ?? "") as {
    error?: { code?: unknown; message?: unknown };
  } | null;
  const error = line?.error;
  return isErrorCode(error?.code) ? new SondeError(error.code, String(error.message)) : null;
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill("SIGTERM");
    child.stdin?.end();
  });
}
