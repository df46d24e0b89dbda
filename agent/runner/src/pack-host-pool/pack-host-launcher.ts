import { type ChildProcess, spawn } from "node:child_process";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import type { RunnerHello } from "@sonde/schemas/reads";
import { findTrustedCommand } from "../powers/trusted-command.ts";

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

export type PackHostChild = {
  child: ChildProcess;
  /** Id of the process that runs the pack, in this process's PID namespace; null when unknown. */
  nodePid: Promise<number | null>;
};

export type PackHostLauncher = {
  confinement: RunnerHello["confinement"];
  start(): PackHostChild;
};

const TRIAL_MS = 10_000;

/**
 * node-gyp-build, which loads isolated-vm, checks for this file. The answer must be
 * "absent", not "denied".
 */
const ASKED_BY_LOADER = "/etc/alpine-release";

/**
 * Finds out once how this machine can confine pack hosts. Bubblewrap gives a pack host no
 * network, no other process and a read-only file system of Node, its libraries and the
 * program. Without bubblewrap pack hosts are plain children: the user, `no_new_privs` and
 * the isolate still confine them.
 */
export async function createPackHostLauncher(program: PackHostProgram): Promise<PackHostLauncher> {
  const bubblewrap = findBubblewrap();
  if (bubblewrap !== null && (await works(bubblewrap, program))) {
    return {
      confinement: "bubblewrap",
      start: () => {
        const argv = [...confine(program), ...hostArgv(program)];
        const child = launch(bubblewrap, ["--info-fd", "3", ...argv], true);
        return { child, nodePid: readChildPid(child) };
      },
    };
  }
  return {
    confinement: "process",
    start: () => {
      const [node, ...argv] = hostArgv(program) as [string, ...string[]];
      const child = launch(node, argv, false);
      return { child, nodePid: Promise.resolve(child.pid ?? null) };
    },
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

function hostArgv(program: PackHostProgram): string[] {
  const { nodePath, packHostPath, nodeArgs } = program;
  const readable = [...readablePaths(program), ASKED_BY_LOADER];
  const readFlags = readable.map((path) => `--allow-fs-read=${path}`);
  // Node's permission model is a second layer only, because it does not cover the network.
  const permission = ["--permission", "--allow-addons", ...readFlags];
  const quiet = ["--no-node-snapshot", "--disable-warning=SecurityWarning"];
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

function launch(command: string, argv: string[], withInfo: boolean): ChildProcess {
  return spawn(command, argv, {
    cwd: "/",
    env: {},
    stdio: ["pipe", "pipe", "pipe", ...(withInfo ? (["pipe"] as const) : [])],
    detached: true,
  });
}

/** Reads bubblewrap's line `{"child-pid": N}`. With `--as-pid-1` that child is Node itself. */
async function readChildPid(child: ChildProcess): Promise<number | null> {
  let text = "";
  for await (const chunk of child.stdio[3] as Readable) text += String(chunk);
  const [, pid] = /"child-pid": ([0-9]+)/.exec(text) ?? [];
  return pid === undefined ? null : Number(pid);
}
