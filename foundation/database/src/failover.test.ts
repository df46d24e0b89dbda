import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { type Database, joinDatabase, openDatabase } from "./index.ts";
import { findFreePort, startTestServer, type TestServer } from "./testing/index.ts";

const settings = { dataDir: "/nonexistent", schema: "hub", maxConnections: 3 } as const;
const migrations = [{ name: "first", sql: "create table notes (text text not null)" }];

async function startPair(...lines: string[]) {
  const first = await startTestServer(lines);
  onTestFinished(() => first.close());
  const second = await first.startStandby();
  onTestFinished(() => second.close());
  return { first, second };
}

/** @param host as in the address of a database */
async function open({ url: server }: TestServer, host: string): Promise<Database> {
  const url = new URL(server);
  url.searchParams.set("host", host);
  const onLost = () => undefined;
  const database = await openDatabase({ ...settings, url: url.href, migrations, onLost });
  onTestFinished(() => database.close());
  return database;
}

const write = ({ sql }: Database, text: string) =>
  sql`insert into notes values (${text})`.then(
    () => "written",
    () => "refused",
  );
const untilWritten = (database: Database, text: string) =>
  expect.poll(() => write(database, text), { timeout: 45_000 }).toBe("written");

/** Also where nothing can be written. */
async function readNotes({ socketDir, url }: TestServer): Promise<string[]> {
  const { username } = new URL(url);
  const sql = postgres({ host: socketDir, username, database: "postgres", max: 1 });
  const rows = await sql<{ text: string }[]>`select text from hub.notes`;
  await sql.end();
  return rows.map(({ text }) => text);
}

async function hears({ sql }: Database): Promise<() => Promise<string[]>> {
  const heard: string[] = [];
  await sql.listen("news", (text) => heard.push(text));
  return async () => {
    await sql.notify("news", "here");
    return heard;
  };
}

test("of several servers the one that takes writes is used, also after another was made it", async () => {
  const { first, second } = await startPair();
  // The standby comes first, and is not used while it is one.
  const database = await open(first, `${second.socketDir},${first.socketDir}`);
  const hear = await hears(database);
  expect(await write(database, "before")).toBe("written");
  await expect.poll(() => readNotes(second)).toEqual(["before"]);

  await first.kill();
  // While neither takes writes, what is asked is refused and does not wait.
  const lost = write(database, "lost");
  expect(await Promise.race([lost, sleep(8_000, "waits")])).toBe("refused");

  await second.promote();
  await untilWritten(database, "after");
  expect(await readNotes(second)).toEqual(["before", "after"]);
  await expect.poll(hear).toContain("here");
}, 60_000);

test("an address that moves to a server which takes writes only later is followed without a storm", async () => {
  const { first, second } = await startPair("log_connections=on");
  const folder = mkdtempSync(join(tmpdir(), "sonde-moves-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const address = join(folder, "address");
  symlinkSync(first.socketDir, address);
  const database = await open(first, address);
  const hear = await hears(database);
  expect(await write(database, "before")).toBe("written");
  await expect.poll(() => readNotes(second)).toEqual(["before"]);

  const connections = () =>
    readFileSync(join(second.socketDir, "../log"), "utf8").split("connection received").length;
  const known = connections();
  symlinkSync(second.socketDir, join(folder, "next"));
  renameSync(join(folder, "next"), address);
  await first.kill();
  await sleep(2_000);
  expect(connections() - known).toBeGreaterThan(2);
  expect(connections() - known).toBeLessThan(40);
  // A session there could read, and would stay.
  const url = new URL(second.url);
  await expect(joinDatabase({ ...settings, url: url.href })).rejects.toMatchObject({
    code: "DATABASE_UNAVAILABLE",
  });

  await second.promote();
  await untilWritten(database, "after");
  await expect.poll(hear).toContain("here");
}, 60_000);

test("a server that was replaced is not used when it comes back, also when only it is there", async () => {
  const { first, second } = await startPair();
  const database = await open(first, `${first.socketDir},${second.socketDir}`);
  expect(await write(database, "before")).toBe("written");
  await expect.poll(() => readNotes(second)).toEqual(["before"]);
  await first.kill();
  await second.promote();
  await untilWritten(database, "after");

  // Both take writes now.
  await first.start();
  const next = await open(first, `${first.socketDir},${second.socketDir}`);
  expect(await write(next, "next")).toBe("written");
  await second.kill();
  await expect.poll(() => write(database, "lost")).toBe("refused");
  await sleep(1_000);
  expect(await write(database, "lost")).toBe("refused");
  expect(await readNotes(first)).toEqual(["before"]);
  await second.start();
  await untilWritten(database, "again");
  expect(await readNotes(second)).toEqual(["before", "after", "next", "again"]);
}, 60_000);

// The driver as it is published ends the process here.
test("transactions that are open when the server is lost fail, and the next ones are done", async () => {
  const server = await startTestServer();
  onTestFinished(() => server.close());
  const database = await open(server, server.socketDir);
  for (let time = 0; time < 2; time += 1) {
    const ended = Promise.allSettled(
      [1, 2, 3].map(() =>
        database.sql.begin(async (tx) => {
          await tx`select 1`;
          await tx`select pg_sleep(30)`;
        }),
      ),
    );
    await sleep(500);
    await server.kill();
    expect((await ended).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    await server.start();
    expect(await Promise.race([untilWritten(database, `${time}`), sleep(8_000, "waits")])).not.toBe(
      "waits",
    );
  }
}, 60_000);

test("a start whose connections are cut while the driver looks up types goes on when they stand", async () => {
  const server = await startTestServer();
  onTestFinished(() => server.close());
  const folder = mkdtempSync(join(tmpdir(), "sonde-cut-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  let looks = 0;
  const proxy = createServer((client) => {
    const to = connect(join(server.socketDir, ".s.PGSQL.5432"));
    const cut = () => [client, to].forEach((socket) => socket.destroy());
    for (const socket of [client, to]) socket.on("error", cut).on("close", cut);
    client.on("data", (bytes) => {
      if (bytes.includes("pg_catalog.pg_type") && ++looks <= 3) cut();
    });
    client.pipe(to).pipe(client);
  }).listen(join(folder, ".s.PGSQL.5432"));
  onTestFinished(() => void proxy.close());
  const database = await open(server, folder);
  expect(looks).toBeGreaterThan(3);
  expect(await write(database, "first")).toBe("written");
  expect(await readNotes(server)).toEqual(["first"]);
}, 30_000);

test("connections to a server that vanished without a word are given up", async () => {
  const port = await findFreePort();
  const first = await startTestServer(["listen_addresses=127.0.0.1", `port=${port}`]);
  onTestFinished(() => first.close());
  const url = `postgres://${new URL(first.url).username}@127.0.0.1:${port}/postgres`;
  const onLost = () => undefined;
  const database = await openDatabase({ ...settings, url, migrations, onLost });
  onTestFinished(() => database.close());
  const hear = await hears(database);
  // As with a machine, the kernel still takes what is sent.
  first.signal("SIGSTOP");
  const lost = write(database, "lost");
  expect(await Promise.race([lost, sleep(30_000, "waits")])).toBe("refused");
  first.signal("SIGCONT");
  await untilWritten(database, "after");
  await expect.poll(hear).toContain("here");
}, 120_000);
