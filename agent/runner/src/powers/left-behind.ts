import { readFileSync, readdirSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf } from "./read-failure.ts";

const POLL_MS = 1000;

/** Pids of commands that this user's earlier runners could not end, by command line. */
let leftBehind: Map<string, string> | undefined;

/**
 * Undefined unless a process with exactly these arguments is left from before this runner: one that
 * the kernel does not let die, because it waits for a file server. Otherwise resolves when that
 * process is gone.
 *
 * @param argv the command's name first, as `runCommand` starts it
 */
export function untilLeftBehindEnds(argv: readonly string[]): Promise<void> | undefined {
  // Found once: what a later runner of this user leaves is that runner's own.
  leftBehind ??= findOlderProcesses(argv[0] ?? "");
  const commandLine = argv.map((argument) => `${argument}\0`).join("");
  const pid = leftBehind.get(commandLine);
  if (pid === undefined || readOf(pid, "cmdline") !== commandLine) return undefined;
  return (async () => {
    while (readOf(pid, "cmdline") === commandLine) await sleep(POLL_MS, undefined, { ref: false });
  })();
}

function findOlderProcesses(command: string): Map<string, string> {
  const startOfThis = startOf("self") ?? 0;
  const found = new Map<string, string>();
  for (const pid of readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))) {
    // Of others, `/proc` may refuse any file, and reading a command line can block.
    if (!isOwn(pid) || readOf(pid, "comm") !== `${command}\n`) continue;
    if ((startOf(pid) ?? Infinity) < startOfThis) found.set(readOf(pid, "cmdline") ?? "", pid);
  }
  return found;
}

function isOwn(pid: string): boolean {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === process.getuid?.();
}

/** In clock ticks after boot: field 22 of proc_pid_stat(5), counted from the end of the name. */
function startOf(pid: string): number | undefined {
  const text = readOf(pid, "stat");
  return text === undefined
    ? undefined
    : Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[19]);
}

/** Undefined when the process has ended. */
function readOf(pid: string, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ESRCH") return undefined;
    throw error;
  }
}
