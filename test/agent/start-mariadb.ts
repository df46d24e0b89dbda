import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);
const NOBODY = 65534;

/** What these tests need, and the Debian package that has each. */
export const MARIADB_PROGRAMS = {
  mariadbd: "mariadb-server-core",
  "mariadb-install-db": "mariadb-server-core",
  mariadb: "mariadb-client-core",
  setpriv: "util-linux",
};

type Row = Record<string, string>;

/** A session of `owner` that stays open. */
export type MariadbSession = {
  /** The server's number of the connection. */
  readonly id: number;
  /** Sends statements, and gives the rows of the last one when it is done. */
  ask(statements: string): Promise<Row[]>;
  close(): Promise<void>;
};

/** A real MariaDB server of a test, on a unix socket that every user of this machine can reach. */
export type TestMariadb = {
  /** Folder of `mysqld.sock`, and of nothing else that a test does not put there. */
  readonly socketDir: string;
  readonly socket: string;
  /** Shell commands that put the socket where packs look for it, in a mount table of their own. */
  readonly mounts: string;
  /** What the server logged. */
  log(): string;
  /** Asks in a session of its own as `owner`, who may do everything. Gives the rows of the last statement. */
  ask(statements: string): Promise<Row[]>;
  open(): Promise<MariadbSession>;
  close(): Promise<void>;
};

/**
 * Starts a server as `nobody`. Its client is `mariadb`, which has nothing in common with the driver
 * of the runner.
 *
 * @param settings further options of `mariadbd`, without `--`
 */
export async function startTestMariadb(settings: string[] = []): Promise<TestMariadb> {
  const folder = mkdtempSync(join(tmpdir(), "sonde-test-mariadb-"));
  const [socketDir, dataDir] = [join(folder, "s"), join(folder, "data")];
  // Servers name their temporary files by process ids, which two of them may share.
  const ownTmp = join(folder, "tmp");
  for (const path of [socketDir, dataDir, ownTmp]) mkdirSync(path);
  for (const path of [folder, socketDir, dataDir, ownTmp]) {
    chownSync(path, NOBODY, NOBODY);
    chmodSync(path, 0o755);
  }
  const socket = join(socketDir, "mysqld.sock");
  const asNobody = [
    "--reuid=nobody",
    "--regid=nogroup",
    "--clear-groups",
    "--pdeathsig=KILL",
    "--",
  ];
  await run("setpriv", [
    ...[...asNobody, "mariadb-install-db", "--no-defaults", `--datadir=${dataDir}`],
    ...[`--tmpdir=${ownTmp}`, "--auth-root-authentication-method=normal"],
    ...["--skip-test-db", "--skip-name-resolve"],
  ]);
  const logFile = join(dataDir, "error.log");
  const server = spawn(
    "setpriv",
    [
      ...[...asNobody, "mariadbd", "--no-defaults", `--datadir=${dataDir}`, `--socket=${socket}`],
      ...[
        `--tmpdir=${ownTmp}`,
        "--skip-networking",
        `--pid-file=${join(dataDir, "pid")}`,
        `--log-error=${logFile}`,
      ],
      ...["--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0"],
      ...settings.map((setting) => `--${setting}`),
    ],
    // A host that does not keep UTC.
    { stdio: "ignore", env: { PATH: process.env["PATH"], TZ: "EST5" } },
  );
  const sessions: MariadbSession[] = [];
  const log = () => readFileSync(logFile, "utf8");
  const open = async (user = "owner") => {
    const session = await openSession(socket, user);
    sessions.push(session);
    return session;
  };
  const ask = async (statements: string, user = "owner") => {
    const session = await openSession(socket, user);
    try {
      return await session.ask(statements);
    } finally {
      await session.close();
    }
  };
  await untilReady(server, socket, log);
  await ask(
    "CREATE USER owner@localhost; GRANT ALL ON *.* TO owner@localhost WITH GRANT OPTION; GRANT PROXY ON ''@'%' TO owner@localhost WITH GRANT OPTION",
    "root",
  );
  // Nobody comes in as root, and nobody without a name.
  await ask("DELETE FROM mysql.global_priv WHERE User IN ('', 'root'); FLUSH PRIVILEGES");
  return {
    ...{ socketDir, socket, log, ask, open },
    mounts: `mount -t tmpfs -o mode=755 tmpfs /run
      mkdir /run/mysqld
      mount --bind ${socketDir} /run/mysqld`,
    async close() {
      const ended = once(server, "exit");
      server.kill("SIGKILL");
      await ended;
      // A client that waits for an answer ends with its server.
      await Promise.all(sessions.map((session) => session.close()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The server tells nobody that it listens, so it is asked until it answers. */
async function untilReady(server: ChildProcess, socket: string, log: () => string): Promise<void> {
  for (;;) {
    const isThere = await run("mariadb", [...clientArgs(socket, "root"), "-e", "SELECT 1"]).then(
      () => true,
      () => false,
    );
    if (isThere) return;
    if (server.exitCode !== null) throw new Error(`mariadbd ended:\n${log()}`);
  }
}

function clientArgs(socket: string, user: string): string[] {
  return ["--no-defaults", `--socket=${socket}`, `--user=${user}`, "--batch", "--unbuffered"];
}

async function openSession(socket: string, user: string): Promise<MariadbSession> {
  const client = spawn("mariadb", clientArgs(socket, user), { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  client.stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
  const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
  const hasEnded = once(client, "close");
  let marks = 0;
  const ask = async (statements: string): Promise<Row[]> => {
    const mark = `mark ${++marks}`;
    client.stdin.write(`${statements};\nSELECT '${mark}' AS mark;\n`);
    const answer: string[] = [];
    for (;;) {
      const { value, done } = await lines.next();
      if (done === true) {
        await hasEnded;
        throw new Error(`mariadb: ${said}`);
      }
      if (value === mark) return toRows(answer.slice(0, -1));
      answer.push(value);
    }
  };
  const [row] = await ask("SELECT CONNECTION_ID() AS id");
  return {
    id: Number(row?.["id"]),
    ask,
    async close() {
      client.stdin.destroy();
      await hasEnded;
    },
  };
}

/** Rows as the client prints them with `--batch`: a line of names, and tabs between values. */
function toRows([names, ...rows]: string[]): Row[] {
  const columns = names?.split("\t") ?? [];
  return rows.map((row) => {
    const values = row.split("\t");
    return Object.fromEntries(columns.map((name, index) => [name, values[index] ?? ""]));
  });
}
