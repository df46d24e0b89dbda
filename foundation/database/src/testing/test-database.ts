import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import postgres from "postgres";
import { startTestServer } from "./start-test-server.ts";

/** Names the socket on which tests request a database. Test processes inherit the variable. */
const DOOR = "SONDE_TEST_DATABASES";
/** No data outlives the run, so durability is switched off for speed. */
const SETTINGS = [
  "fsync=off",
  "synchronous_commit=off",
  "full_page_writes=off",
  "max_connections=400",
];

/** An empty database for one test. */
export type TestDatabase = { url: string; close(): Promise<void> };

/**
 * Serves databases to all test processes of a run. All are on one PostgreSQL, which
 * starts at the first request. A database is dropped when the connection that requested
 * it closes, so a killed test process leaves none.
 *
 * @returns a function that stops the server; null when an outer run serves databases
 *   already
 */
export async function serveTestDatabases(): Promise<(() => Promise<void>) | null> {
  if (env[DOOR] !== undefined) return null;
  const folder = mkdtempSync(join(tmpdir(), "sonde-test-door-"));
  const door = join(folder, "door");
  let started: Promise<Awaited<ReturnType<typeof start>>> | undefined;
  let count = 0;
  const closing = new Set<Promise<void>>();
  const listener = createServer((socket) => {
    const name = `test_${++count}`;
    const made = (started ??= start()).then((server) => server.create(name));
    made.then(
      (url) => socket.write(`${url}\n`),
      (error: unknown) => socket.end(`error: ${String(error)}\n`),
    );
    // The connection of a killed process ends with a reset.
    socket.on("error", () => undefined);
    socket.resume();
    socket.on("end", () => {
      const dropped = made
        .then(async () => (await started)?.drop(name))
        .catch(() => undefined)
        .then(() => void socket.end());
      closing.add(dropped);
      void dropped.then(() => closing.delete(dropped));
    });
  });
  listener.listen(door);
  await once(listener, "listening");
  env[DOOR] = door;
  return async () => {
    delete env[DOOR];
    listener.close();
    await Promise.all(closing);
    await (await started)?.close();
    rmSync(folder, { recursive: true, force: true });
  };
}

async function start() {
  const server = await startTestServer(SETTINGS);
  const { searchParams, username } = new URL(server.url);
  const sql = postgres({
    host: searchParams.get("host") ?? "",
    database: "postgres",
    username,
    max: 1,
    onnotice: () => undefined,
  });
  return {
    async create(name: string): Promise<string> {
      await sql.unsafe(`create database ${name} template template0 strategy file_copy`);
      const url = new URL(server.url);
      url.pathname = name;
      return url.href;
    },
    async drop(name: string): Promise<void> {
      await sql.unsafe(`drop database if exists ${name} with (force)`);
    },
    async close(): Promise<void> {
      await sql.end();
      await server.close();
    },
  };
}

/** Creates a fresh database on the server of this test run. */
export async function startTestDatabase(): Promise<TestDatabase> {
  const door = env[DOOR];
  if (door === undefined) throw new Error(`expected ${DOOR}: the test run serves databases`);
  const socket = connect(door);
  socket.setEncoding("utf8");
  const [answer] = (await once(socket, "data")) as [string];
  const url = answer.trim();
  if (!url.startsWith("postgres://")) throw new Error(url);
  // The connection keeps the database, but must not keep the test process from ending.
  socket.unref();
  return {
    url,
    async close() {
      socket.ref();
      const closed = once(socket, "close");
      socket.end();
      socket.resume();
      await closed;
    },
  };
}
