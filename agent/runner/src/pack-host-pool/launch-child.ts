import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { dirname } from "node:path";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { killGroup } from "../powers/kill-group.ts";
import { findTrustedCommand } from "../powers/trusted-command.ts";
import type { PackHostLauncher, StartedPackHost } from "./pack-host-launcher.ts";

export type PackHostProgram = {
  nodePath: string;
  /** Absolute path of the bundled pack-host.js. */
  packHostPath: string;
  /**
   * Node flags that come before the program; a run from source needs
   * `--conditions=sonde:source`.
   */
  nodeArgs: string[];
  /** Further folders that the program loads files from. */
  readOnlyPaths: string[];
};

const TRIAL_MS = 10_000;

/**
 * node-gyp-build, which loads isolated-vm, checks for this file. The answer must be
 * "absent", not "denied".
 */
const ASKED_BY_LOADER = "/etc/alpine-release";

/**
 * Starts pack hosts as children, and finds out once how this machine can confine them. Bubblewrap
 * gives a pack host no network, no other process and a read-only file system of Node, its libraries
 * and the program. Without bubblewrap the user, `no_new_privs` and the isolate still confine them.
 */
export async function createChildLauncher(program: PackHostProgram): Promise<PackHostLauncher> {
  const bubblewrap = findBubblewrap();
  if (bubblewrap !== null && (await works(bubblewrap, program))) {
    const argv = [bubblewrap, "--info-fd", "3", ...confine(program), ...hostArgv(program)];
    return {
      confinement: "bubblewrap",
      start: async () => startChild(argv, ["pipe"], readChildPid),
    };
  }
  const argv = hostArgv(program);
  return {
    confinement: "process",
    start: async () => startChild(argv, [], async ({ pid }) => pid ?? null),
  };
}

function findBubblewrap(): string | null {
  try {
    return findTrustedCommand("bwrap");
  } catch {
    // Bubblewrap is absent, or somebody besides root can change it. Then it confines nothing.
    return null;
  }
}

/** The unit of pack hosts has the same words. */
export function hostArgv(program: PackHostProgram): string[] {
  const { nodePath, packHostPath, nodeArgs } = program;
  const readable = [...readablePaths(program), ASKED_BY_LOADER];
  const readFlags = readable.map((path) => `--allow-fs-read=${path}`);
  // Node's permission model is a second layer only, because it does not cover the network.
  const permission = ["--permission", "--allow-addons", ...readFlags];
  const quiet = ["--no-node-snapshot", "--disable-warning=SecurityWarning", "--disable-sigusr1"];
  return [nodePath, ...quiet, ...permission, ...nodeArgs, packHostPath];
}

function readablePaths({ packHostPath, readOnlyPaths }: PackHostProgram): string[] {
  return [dirname(packHostPath), ...readOnlyPaths];
}

function confine(program: PackHostProgram): string[] {
  const libraries = sharedLibraries();
  const bound = [...new Set([program.nodePath, ...libraries, ...readablePaths(program)])];
  return [
    "--unshare-all",
    "--die-with-parent",
    "--new-session",
    "--as-pid-1",
    "--clearenv",
    "--cap-drop",
    "ALL",
    ...bound.flatMap((path) => ["--ro-bind", path, path]),
    "--remount-ro",
    "/",
    "--chdir",
    "/",
    "--",
  ];
}

/**
 * Lists the libraries that this Node has loaded. The pack host runs the same Node and
 * needs the same.
 */
function sharedLibraries(): string[] {
  const { sharedObjects } = process.report.getReport() as { sharedObjects: string[] };
  return sharedObjects.filter((path) => path.startsWith("/") && path !== process.execPath);
}

function works(bubblewrap: string, program: PackHostProgram): Promise<boolean> {
  const argv = [...confine(program), program.nodePath, "--eval", "0"];
  const child = spawn(bubblewrap, argv, { env: {}, stdio: "ignore", timeout: TRIAL_MS });
  return new Promise((resolve) => {
    child.on("error", () => resolve(false));
    child.on("exit", (code) => resolve(code === 0));
  });
}

type Child = ChildProcessWithoutNullStreams;

/**
 * Starts a program that speaks the protocol of pack hosts, as the leader of a process group.
 *
 * @param infoFd "pipe" where bubblewrap writes its line
 */
export function startChild(
  [command = "", ...args]: string[],
  infoFd: readonly "pipe"[],
  findNodePid: (child: Child) => Promise<number | null>,
): StartedPackHost {
  const child = spawn(command, args, {
    cwd: "/",
    env: {},
    stdio: ["pipe", "pipe", "pipe", ...infoFd],
    detached: true,
  });
  const { stdin, stdout, stderr } = child;
  return {
    ...{ input: stdin, output: stdout, stderr, nodePid: findNodePid(child) },
    kill() {
      // Once an exit code is set, the process id may belong to another process.
      if (child.exitCode === null && child.signalCode === null) killGroup(child);
      stdin.destroy();
    },
    ended: once(child, "exit").then(
      () => undefined,
      // It could not be started.
      () => undefined,
    ),
  };
}

/** Reads bubblewrap's line `{"child-pid": N}`. With `--as-pid-1` that child is Node itself. */
async function readChildPid(child: Child): Promise<number | null> {
  let text = "";
  for await (const chunk of child.stdio[3] as Readable) text += String(chunk);
  const [, pid] = /"child-pid": ([0-9]+)/.exec(text) ?? [];
  return pid === undefined ? null : Number(pid);
}
