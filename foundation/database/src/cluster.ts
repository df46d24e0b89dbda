import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { DatabaseError } from "./database-error.ts";
import type { Binaries } from "./find-binaries.ts";

const run = promisify(execFile);

/** sockaddr_un holds 107 bytes; PostgreSQL appends `/.s.PGSQL.5432`. */
const MAX_SOCKET_DIR = 90;
const START_SECONDS = 60;
const LOOK_MS = 1000;

/**
 * What the server runs with. It listens on no network port; durability is
 * PostgreSQL's own default and is spelled out because the audit log rests on it.
 */
const SETTINGS = {
  listen_addresses: "",
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  shared_buffers: "16MB",
  max_connections: "40",
  jit: "off",
  unix_socket_permissions: "0700",
};

/** A PostgreSQL cluster in a folder, run for one service. */
export type Cluster = {
  socketDir: string;
  /** Stops the server; safe to call when it is stopped already. */
  stop(): Promise<void>;
};

/**
 * Starts the cluster of `dataDir`, creating it first when there is none, or
 * adopts the server that a killed owner left running there.
 *
 * @param dataDir folder of this service alone; the cluster is in `postgres/`
 * @param onLost called once if the server ends before `stop`
 * @throws DatabaseError with one sentence and the log file's path
 */
export async function startCluster(
  dataDir: string,
  found: Binaries[],
  onLost: (error: DatabaseError) => void,
): Promise<Cluster> {
  if (process.getuid?.() === 0) {
    throw new DatabaseError(
      "expected an unprivileged user, got root: PostgreSQL refuses to run so",
    );
  }
  const clusterDir = join(dataDir, "postgres");
  const logFile = join(dataDir, "postgres.log");
  const binaries = chooseBinaries(clusterDir, found);
  const env = buildEnvironment(dataDir, binaries);
  const call = (program: string, args: string[]) =>
    run(join(binaries.binDir, program), args, { env, cwd: dataDir }).catch((cause: unknown) => {
      throw new DatabaseError(`${program} failed; see ${logFile}`, { cause });
    });

  if (!existsSync(join(clusterDir, "PG_VERSION"))) {
    // A folder without PG_VERSION is what an interrupted initdb leaves: nothing was stored yet.
    rmSync(clusterDir, { recursive: true, force: true });
    await call("initdb", initArguments(clusterDir));
  }
  const socketDir = prepareSocketDir(dataDir);
  if (!isRunning(clusterDir)) {
    const settings = { ...SETTINGS, unix_socket_directories: socketDir };
    const options = Object.entries(settings)
      .map(([name, value]) => `-c ${name}='${value}'`)
      .join(" ");
    await call("pg_ctl", [
      ...["start", "-w", "-s", "-t", String(START_SECONDS)],
      ...["-D", clusterDir, "-l", logFile, "-o", options],
    ]);
  }
  const unwatch = watchServer(clusterDir, () =>
    onLost(new DatabaseError(`the PostgreSQL server of ${clusterDir} ended; see ${logFile}`)),
  );
  return {
    socketDir,
    async stop() {
      unwatch();
      if (isRunning(clusterDir)) {
        await call("pg_ctl", ["stop", "-w", "-s", "-m", "fast", "-D", clusterDir]);
      }
    },
  };
}

/** Peer authentication: only this very user may connect, and no password exists. */
function initArguments(clusterDir: string): string[] {
  return [
    ...["-D", clusterDir, "-U", userInfo().username, "-E", "UTF8", "--locale=C"],
    ...["--auth-local=peer", "--auth-host=reject", "--data-checksums"],
  ];
}

function chooseBinaries(clusterDir: string, found: Binaries[]): Binaries {
  const versionFile = join(clusterDir, "PG_VERSION");
  const major = existsSync(versionFile) ? Number(readFileSync(versionFile, "utf8")) : undefined;
  const chosen = found.find((candidate) => major === undefined || candidate.major === major);
  if (chosen !== undefined) return chosen;
  const wanted = major === undefined ? "14 or newer" : String(major);
  const got = found.map((candidate) => candidate.major).join(", ") || "none";
  throw new DatabaseError(`expected PostgreSQL ${wanted} for ${clusterDir}, found: ${got}`);
}

function buildEnvironment(dataDir: string, binaries: Binaries): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
  if (binaries.links.length === 0) return env;
  const folder = join(dataDir, `postgres-libraries-${binaries.major}`);
  mkdirSync(folder, { recursive: true });
  for (const { source, target } of binaries.links) {
    const link = join(folder, basename(target));
    rmSync(link, { force: true });
    symlinkSync(source, link);
  }
  return { ...env, LD_LIBRARY_PATH: `${folder}:${join(binaries.binDir, "../lib")}` };
}

/** In the data folder, or where its path is too long for a socket in a private folder of /tmp. */
function prepareSocketDir(dataDir: string): string {
  const near = join(dataDir, "run");
  const name = createHash("sha256").update(dataDir).digest("hex").slice(0, 16);
  const folder = near.length <= MAX_SOCKET_DIR ? near : join(tmpdir(), `sonde-pg-${name}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== process.getuid?.()) {
    throw new DatabaseError(`expected ${folder} to be a folder of this user, got another's`);
  }
  if (folder !== near) chmodSync(folder, 0o700);
  return folder;
}

/** @returns a function that ends the watch */
function watchServer(clusterDir: string, onEnd: () => void): () => void {
  const timer = setInterval(() => {
    if (stillRuns(clusterDir)) return;
    clearInterval(timer);
    onEnd();
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** A server that ends in the very moment of the look is one that ended. */
function stillRuns(clusterDir: string): boolean {
  try {
    return isRunning(clusterDir);
  } catch (thrown) {
    if (thrown instanceof DatabaseError) return false;
    throw thrown;
  }
}

function isRunning(clusterDir: string): boolean {
  const pidFile = join(clusterDir, "postmaster.pid");
  if (!existsSync(pidFile)) return false;
  try {
    const pid = Number(readFileSync(pidFile, "utf8").split("\n")[0]);
    // The pid may have been given to another program since; the data folder is its working folder.
    return (
      existsSync(`/proc/${pid}`) &&
      readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(clusterDir)
    );
  } catch (cause) {
    throw new DatabaseError(`cannot tell whether ${clusterDir} is in use`, { cause });
  }
}
