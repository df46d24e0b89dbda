import { execFile, type ExecFileOptions, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import postgres from "postgres";
import { findBinaries } from "../find-binaries.ts";

const run = promisify(execFile);
const NOBODY = 65534;

/** A real PostgreSQL server; `url` is its database `postgres`. */
export type TestServer = {
  url: string;
  socketDir: string;
  /** Of its first process, which the others descend from. */
  pid(): number;
  /** Ends all its processes at once, as a crash does, and starts it again on what is on the disk. */
  crash(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** Ends all its processes with SIGKILL, as the loss of its machine does. Only `start` brings it back. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Starts another server, which follows this one (streaming replication). */
  startStandby(): Promise<Standby>;
  close(): Promise<void>;
};

/** `promote` has it take writes, as after the loss of the server that it followed. */
export type Standby = TestServer & { promote(): Promise<void> };

/**
 * Starts a fresh server on a unix socket that every user of this machine can reach.
 * PostgreSQL refuses to run as root, so for a test run as root the server runs as
 * `nobody` and admits the test.
 *
 * @param settings further `NAME=VALUE` lines of postgresql.conf
 * @param access the superuser's name and the lines of pg_hba.conf; without it, every user may be
 *   every role
 */
export async function startTestServer(
  settings: string[] = [],
  access?: { superuser: string; lines: string[] },
): Promise<TestServer> {
  const asRoot = process.getuid?.() === 0;
  const user = access?.superuser ?? (asRoot ? "nobody" : userInfo().username);
  const place = createPlace(user, settings);
  await place.call("initdb", [
    ...["-D", place.clusterDir, "-U", user, "-E", "UTF8", "--auth=trust", "--no-sync"],
  ]);
  if (access !== undefined) {
    writeFileSync(join(place.clusterDir, "pg_hba.conf"), `${access.lines.join("\n")}\n`);
  }
  return await startIn(place);
}

/** The folder of a server, owned by the user who runs it. */
type Place = {
  folder: string;
  clusterDir: string;
  socketDir: string;
  user: string;
  settings: string[];
  /** Runs one of PostgreSQL's programs, or another by its path. */
  call: (program: string, args: string[]) => Promise<unknown>;
};

function createPlace(user: string, settings: string[]): Place {
  const [binaries] = findBinaries();
  if (binaries === undefined) throw new Error("expected PostgreSQL programs, found none");
  const asRoot = process.getuid?.() === 0;
  const account = asRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const folder = mkdtempSync(join(tmpdir(), "sonde-test-pg-"));
  const socketDir = join(folder, "s");
  mkdirSync(socketDir);
  if (asRoot) for (const path of [folder, socketDir]) chownSync(path, NOBODY, NOBODY);
  chmodSync(folder, 0o755);
  const options: ExecFileOptions = {
    ...account,
    cwd: folder,
    env: { LC_ALL: "C", PATH: "/usr/bin:/bin" },
  };
  return {
    ...{ folder, socketDir, user, settings, clusterDir: join(folder, "data") },
    async call(program, args) {
      const path = program.startsWith("/") ? program : join(binaries.binDir, program);
      await run(path, args, options);
    },
  };
}

async function startIn(place: Place): Promise<TestServer> {
  const { folder, clusterDir, socketDir, user, settings, call } = place;
  const url = `postgres://${user}@localhost/postgres?host=${encodeURIComponent(socketDir)}`;
  const flags = [
    "listen_addresses=''",
    `unix_socket_directories='${socketDir}'`,
    "shared_buffers=16MB",
    ...settings,
  ].map((setting) => `-c ${setting}`);
  const words = ["-w", "-s", "-D", clusterDir, "-l", join(folder, "log")];
  let isKilled = false;
  const start = async () => {
    await call("pg_ctl", ["start", ...words, "-o", flags.join(" ")]);
    isKilled = false;
  };
  const pid = () => Number(readFileSync(join(clusterDir, "postmaster.pid"), "utf8").split("\n")[0]);
  const processes = (): number[] => {
    const first = pid();
    const others = readFileSync(`/proc/${first}/task/${first}/children`, "utf8").trim().split(" ");
    return [first, ...others.filter(Boolean).map(Number)];
  };
  const signal = (name: NodeJS.Signals) => {
    // One may have ended meanwhile.
    for (const one of processes()) spawnSync("kill", ["-s", name, String(one)]);
  };
  await start();
  return {
    ...{ socketDir, url, pid, start },
    async crash() {
      await call("pg_ctl", ["restart", ...words, "-m", "immediate"]);
    },
    signal,
    async kill() {
      isKilled = true;
      const killed = processes();
      signal("SIGKILL");
      while (killed.some((one) => existsSync(`/proc/${one}`))) await sleep(20);
    },
    startStandby: () => startStandby(place),
    async close() {
      if (!isKilled) {
        // One that stands still would not hear of it.
        signal("SIGCONT");
        await call("pg_ctl", ["stop", "-w", "-s", "-m", "immediate", "-D", clusterDir]);
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Not all installations have pg_basebackup(1), so this follows "Making a Base Backup Using the Low Level API". */
async function startStandby({ clusterDir, socketDir, user, settings }: Place): Promise<Standby> {
  const place = createPlace(user, [
    ...settings,
    `primary_conninfo='host=${socketDir} user=${user} application_name=standby'`,
    "wal_retrieve_retry_interval=200ms",
  ]);
  const sql = postgres({
    ...{ host: socketDir, username: user, database: "postgres", max: 1 },
    onnotice: () => undefined,
  });
  await sql`select pg_backup_start('standby', true)`;
  // Files that go meanwhile are not missed.
  await place.call("/bin/cp", ["-a", clusterDir, place.clusterDir]).catch(() => undefined);
  const [made] = await sql<{ labelfile: string }[]>`select labelfile from pg_backup_stop(false)`;
  await sql.end();
  const wal = join(place.clusterDir, "pg_wal");
  await place.call("/bin/rm", ["-rf", join(place.clusterDir, "postmaster.pid"), wal]);
  await place.call("/bin/mkdir", ["-p", join(wal, "archive_status")]);
  const write = async (name: string, text: string) => {
    const path = join(place.clusterDir, name);
    await place.call("/usr/bin/touch", [path]);
    writeFileSync(path, text);
  };
  await write("backup_label", made?.labelfile ?? "");
  await write("standby.signal", "");
  const server = await startIn(place);
  return {
    ...server,
    promote: async () => {
      await place.call("pg_ctl", ["promote", "-w", "-s", "-D", place.clusterDir]);
    },
  };
}
