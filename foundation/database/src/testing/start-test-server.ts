import { execFile, type ExecFileOptions } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
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
  close(): Promise<void>;
};

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
  const [binaries] = findBinaries();
  if (binaries === undefined) throw new Error("expected PostgreSQL programs, found none");
  const asRoot = process.getuid?.() === 0;
  const account = asRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const folder = mkdtempSync(join(tmpdir(), "sonde-test-pg-"));
  const socketDir = join(folder, "s");
  mkdirSync(socketDir);
  if (asRoot) for (const path of [folder, socketDir]) chownSync(path, NOBODY, NOBODY);
  chmodSync(folder, 0o755);
  const user = access?.superuser ?? (asRoot ? "nobody" : userInfo().username);
  const options: ExecFileOptions = {
    ...account,
    cwd: folder,
    env: { LC_ALL: "C", PATH: "/usr/bin:/bin" },
  };
  const clusterDir = join(folder, "data");
  const call = (program: string, args: string[]) =>
    run(join(binaries.binDir, program), args, options);
  await call("initdb", ["-D", clusterDir, "-U", user, "-E", "UTF8", "--auth=trust", "--no-sync"]);
  if (access !== undefined) {
    writeFileSync(join(clusterDir, "pg_hba.conf"), `${access.lines.join("\n")}\n`);
  }
  const flags = [
    "listen_addresses=''",
    `unix_socket_directories='${socketDir}'`,
    "shared_buffers=16MB",
    ...settings,
  ].map((setting) => `-c ${setting}`);
  await call("pg_ctl", [
    "start",
    "-w",
    "-s",
    "-D",
    clusterDir,
    "-l",
    join(folder, "log"),
    "-o",
    flags.join(" "),
  ]);
  return {
    socketDir,
    url: `postgres://${user}@localhost/postgres?host=${encodeURIComponent(socketDir)}`,
    pid: () => Number(readFileSync(join(clusterDir, "postmaster.pid"), "utf8").split("\n")[0]),
    async crash() {
      const words = ["restart", "-w", "-s", "-m", "immediate"];
      await call("pg_ctl", [...words, "-D", clusterDir, "-l", join(folder, "log")]);
    },
    async close() {
      await call("pg_ctl", ["stop", "-w", "-s", "-m", "immediate", "-D", clusterDir]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
