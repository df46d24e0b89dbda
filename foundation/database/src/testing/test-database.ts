import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import postgres from "postgres";
import { startTestServer } from "./start-test-server.ts";

/** Where a test asks for a database; test processes inherit it. */
const DOOR = "SONDE_TEST_DATABASES";
/** Nothing here outlives the run, so nothing has to be on the disk before an answer. */
const SETTINGS = [
  "fsync=off",
  "synchronous_commit=off",
  "full_page_writes=off",
  "max_connections=400",
];

/** An empty database of its own; nobody else's statements are in it. */
export type TestDatabase = { url: string; close(): Promise<void> };

/**
 * Serves databases to all test processes of a run, from one PostgreSQL that starts when the
 * first is asked for. A database lives as long as the connection that asked for it: one whose
 * test process was killed goes with it.
 *
 * @returns ends the server; null when a run around this one serves already
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
    // Who was killed sends no more than a reset.
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

/** A fresh database on the server of this test run. */
export async function startTestDatabase(): Promise<TestDatabase> {
  const door = env[DOOR];
  if (door === undefined) throw new Error(`expected ${DOOR}: the test run serves databases`);
  const socket = connect(door);
  socket.setEncoding("utf8");
  const [answer] = (await once(socket, "data")) as [string];
  const url = answer.trim();
  if (!url.startsWith("postgres://")) throw new Error(url);
  // It is held by the connection, which keeps no test process from ending.
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
