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

/** sockaddr_un holds 107 bytes, and PostgreSQL appends `/.s.PGSQL.5432`. */
const MAX_SOCKET_DIR = 90;
const START_SECONDS = 60;
const LOOK_MS = 1000;

/**
 * The server's settings. It listens on no network port. The durability settings are
 * PostgreSQL's defaults; they are written out because the audit log depends on them.
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
  /** Stops the server. Does nothing when the server has stopped already. */
  stop(): Promise<void>;
};

/**
 * Starts the cluster of `dataDir`, and creates it first when there is none. If a killed
 * owner left the server running, adopts that server.
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
    // Without PG_VERSION the folder is left over from an interrupted initdb and holds no data.
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

/** Peer authentication: only this user may connect, and there is no password. */
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

/**
 * Puts the socket into the data folder. If that path is too long for a socket, uses a
 * private folder in /tmp.
 */
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

/** False also for a server that ends while it is being checked. */
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
    // Another program may have got the pid since. Only the server has the data folder as
    // its working folder.
    return (
      existsSync(`/proc/${pid}`) &&
      readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(clusterDir)
    );
  } catch (cause) {
    throw new DatabaseError(`cannot tell whether ${clusterDir} is in use`, { cause });
  }
}
