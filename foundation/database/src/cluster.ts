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
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { takeLock } from "@sonde/files";
import { DatabaseError } from "./database-error.ts";
import type { Binaries } from "./find-binaries.ts";
import { endLeftServer, runServer, findReason } from "./run-server.ts";

const run = promisify(execFile);

/** sockaddr_un holds 107 bytes, and PostgreSQL appends `/.s.PGSQL.5432`. */
const MAX_SOCKET_DIR = 90;
/** A service that is stopping still has its cluster for this long. */
const LOCK_SECONDS = 14;

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
  /** Stops the server. Does nothing when the server has stopped already. */
  stop(): Promise<void>;
};

/**
 * Starts the cluster of `dataDir`, and creates it first when there is none. One process has the
 * cluster at a time, and the server never outlives that process.
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
  const release = lockCluster(dataDir);
  try {
    return await startLocked(dataDir, found, onLost, release);
  } catch (thrown) {
    release();
    throw thrown;
  }
}

function lockCluster(dataDir: string): () => void {
  try {
    const release = takeLock(join(dataDir, "postgres.lock"), LOCK_SECONDS);
    if (release !== null) return release;
  } catch (cause) {
    throw new DatabaseError(`cannot lock the database of ${dataDir}`, { cause });
  }
  throw new DatabaseError(`the database of ${dataDir} is in use by another process`);
}

async function startLocked(
  dataDir: string,
  found: Binaries[],
  onLost: (error: DatabaseError) => void,
  release: () => void,
): Promise<Cluster> {
  const clusterDir = join(dataDir, "postgres");
  const logFile = join(dataDir, "postgres.log");
  const binaries = chooseBinaries(clusterDir, found);
  const env = buildEnvironment(dataDir, binaries);
  await endLeftServer(clusterDir);
  if (!existsSync(join(clusterDir, "PG_VERSION"))) {
    // Without PG_VERSION the folder is left over from an interrupted initdb and holds no data.
    rmSync(clusterDir, { recursive: true, force: true });
    const initdb = join(binaries.binDir, "initdb");
    const command = ["--pdeathsig", "KILL", "--", initdb, ...initArguments(clusterDir)];
    await run("setpriv", command, { env, cwd: dataDir }).catch((cause: { stderr?: string }) => {
      const why = findReason(cause.stderr ?? "");
      throw new DatabaseError(`initdb failed for ${clusterDir}: ${why}`, { cause });
    });
  }
  const socketDir = prepareSocketDir(dataDir);
  const settings = { ...SETTINGS, unix_socket_directories: socketDir };
  const server = await runServer(
    { binDir: binaries.binDir, clusterDir, logFile, env, settings },
    () => onLost(new DatabaseError(`the PostgreSQL server of ${clusterDir} ended; see ${logFile}`)),
  );
  return {
    async stop() {
      await server.stop();
      release();
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

/** Where the server of that data folder listens. */
export function socketDirOf(dataDir: string): string {
  const near = join(dataDir, "run");
  const name = createHash("sha256").update(dataDir).digest("hex").slice(0, 16);
  return near.length <= MAX_SOCKET_DIR ? near : join(tmpdir(), `sonde-pg-${name}`);
}

/**
 * Puts the socket into the data folder. If that path is too long for a socket, uses a
 * private folder in /tmp.
 */
function prepareSocketDir(dataDir: string): string {
  const folder = socketDirOf(dataDir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== process.getuid?.()) {
    throw new DatabaseError(`expected ${folder} to be a folder of this user, got another's`);
  }
  if (dirname(folder) !== dataDir) chmodSync(folder, 0o700);
  return folder;
}
