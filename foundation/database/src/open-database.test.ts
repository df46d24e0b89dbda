import { spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

// PostgreSQL refuses to run as root, so every test runs its database in a child of an
// unprivileged user. Without root the child keeps the test's own user.
const root = mkdtempSync(join(tmpdir(), "sonde-database-"));
const asRoot = process.getuid?.() === 0;
const account = asRoot ? { uid: 65534, gid: 65534 } : {};
if (asRoot) chownSync(root, 65534, 65534);
afterAll(() => rmSync(root, { recursive: true, force: true }));

function runChild(dataDir: string, body: string): Promise<{ code: number | null; out: string }> {
  const script = `
    import { openDatabase } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
    import { startCluster } from ${JSON.stringify(join(import.meta.dirname, "cluster.ts"))};
    import { findPackagedBinaries } from ${JSON.stringify(join(import.meta.dirname, "find-binaries.ts"))};
    import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
    const dataDir = ${JSON.stringify(dataDir)};
    mkdirSync(dataDir, { recursive: true });
    const first = [{ name: "first", sql: "create table notes (text text not null)" }];
    const print = (value) => console.log(JSON.stringify(value));
    ${body}`;
  return new Promise((done) => {
    const child = spawn(
      process.execPath,
      ["--conditions=sonde:source", "--input-type=module", "-e", script],
      {
        ...account,
        cwd: root,
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.on("close", (code) => done({ code, out }));
  });
}

const dataDir = join(root, "service");

/** Makes a cluster with one note in it. */
async function keepNote(folder: string): Promise<void> {
  const { code, out } = await runChild(
    folder,
    `const db = await openDatabase({ dataDir, schema: "hub", migrations: first, maxConnections: 2 });
     await db.sql\`insert into notes values ('kept')\`;
     await db.close();`,
  );
  expect(code, out).toBe(0);
}

test("a server ends with its killed owner, and the next start has the data", async () => {
  const killed = await runChild(
    dataDir,
    `const db = await openDatabase({ dataDir, schema: "hub", migrations: first, maxConnections: 2 });
     await db.sql\`insert into notes values ('kept')\`;
     print(readFileSync(dataDir + "/postgres/postmaster.pid", "utf8").split("\\n")[0]);
     process.kill(process.pid, "SIGKILL");`,
  );
  expect(killed.code, killed.out).toBe(null);
  const pid = String(JSON.parse(killed.out));
  await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);

  const next = await runChild(
    dataDir,
    `const db = await openDatabase({ dataDir, schema: "hub", migrations: first, maxConnections: 2 });
     const rows = await db.sql\`select text from notes\`;
     const [fsync] = await db.sql\`show fsync\`;
     const [commit] = await db.sql\`show synchronous_commit\`;
     await db.close();
     print({ rows, ...fsync, ...commit });`,
  );
  expect(JSON.parse(next.out)).toEqual({
    rows: [{ text: "kept" }],
    fsync: "on",
    synchronous_commit: "on",
  });
}, 60_000);

test("a server whose owner died before it could say so is ended by the next start", async () => {
  const folder = join(root, "left");
  await keepNote(folder);
  const clusterDir = join(folder, "postgres");
  const left = await runChild(
    folder,
    `import { spawn } from "node:child_process";
     import { findBinaries } from ${JSON.stringify(join(import.meta.dirname, "find-binaries.ts"))};
     const major = Number(readFileSync(${JSON.stringify(clusterDir)} + "/PG_VERSION", "utf8"));
     const { binDir } = findBinaries().find((one) => one.major === major);
     spawn(binDir + "/postgres", ["-D", ${JSON.stringify(clusterDir)}, "-c", "listen_addresses=", "-c",
       "unix_socket_directories=" + dataDir], { stdio: "ignore", detached: true }).unref();`,
  );
  expect(left.code, left.out).toBe(0);
  const pidFile = join(clusterDir, "postmaster.pid");
  await expect
    .poll(() => (existsSync(pidFile) ? readFileSync(pidFile, "utf8") : ""))
    .toMatch(/^[0-9]+\n/);
  const [former] = readFileSync(pidFile, "utf8").split("\n");
  const next = await runChild(
    folder,
    `const db = await openDatabase({ dataDir, schema: "hub", migrations: first, maxConnections: 2 });
     print(await db.sql\`select text from notes\`);
     await db.close();`,
  );
  expect(JSON.parse(next.out)).toEqual([{ text: "kept" }]);
  await expect.poll(() => existsSync(`/proc/${former}`)).toBe(false);
}, 60_000);

test("a second process neither gets a cluster that is in use nor ends it", async () => {
  const folder = join(root, "shared");
  await keepNote(folder);
  const owner = runChild(
    folder,
    `const db = await openDatabase({ dataDir, schema: "hub", migrations: first, maxConnections: 2 });
     writeFileSync(dataDir + "/opened", "");
     while (existsSync(dataDir + "/opened")) await new Promise((done) => setTimeout(done, 100));
     print(await db.sql\`select text from notes\`);
     await db.close();`,
  );
  await expect.poll(() => existsSync(join(folder, "opened")), { timeout: 20_000 }).toBe(true);
  const second = await runChild(
    folder,
    `try { await openDatabase({ dataDir, schema: "hub", migrations: first, maxConnections: 2 }); print("opened"); }
     catch (error) { print({ code: error.code, message: error.message }); }`,
  );
  rmSync(join(folder, "opened"));
  expect(JSON.parse((await owner).out)).toEqual([{ text: "kept" }]);
  expect(JSON.parse(second.out)).toEqual({
    code: "DATABASE_UNAVAILABLE",
    message: `the database of ${folder} is in use by another process`,
  });
}, 60_000);

test("two processes that migrate at once apply each step once", async () => {
  const { out } = await runChild(
    dataDir,
    `import { userInfo } from "node:os";
     const db = await openDatabase({ dataDir, schema: "hub", migrations: first, maxConnections: 2 });
     const url = "postgres://" + userInfo().username + "@localhost/postgres?host=" +
       encodeURIComponent(dataDir + "/run");
     const open = () => openDatabase({ dataDir, schema: "hub", url, migrations: [...first,
       { name: "second", sql: "create table once (id integer primary key); insert into once values (1)" }],
       maxConnections: 2 });
     const both = await Promise.all([open(), open()]);
     for (const one of both) print(await one.sql\`select count(*)::int as n from once\`);
     for (const one of both) await one.close();
     await db.close();`,
  );
  expect(out.trim().split("\n")).toEqual(['[{"n":1}]', '[{"n":1}]']);
});

test("a changed migration and a newer database are refused", async () => {
  const open = (migrations: string) => `
    try { await openDatabase({ dataDir, schema: "hub", migrations: ${migrations}, maxConnections: 1 }); print("opened"); }
    catch (error) { print({ code: error.code, message: error.message }); }`;
  const changed = await runChild(
    dataDir,
    open(`[{ name: "first", sql: "select 1" }, { name: "second", sql: "select 2" }]`),
  );
  expect(changed.out).toContain("DATABASE_UNAVAILABLE");
  const newer = await runChild(dataDir, open("first"));
  expect(newer.out).toContain("newer version");
});

test("a step is known by its name, so a new one may stand anywhere in the list", async () => {
  const second = `{ name: "second", sql: "create table once (id integer primary key); insert into once values (1)" }`;
  const { out } = await runChild(
    dataDir,
    `const migrations = [{ name: "new", sql: "create table added (id integer)" }, ...first, ${second}];
     const db = await openDatabase({ dataDir, schema: "hub", migrations, maxConnections: 1 });
     print(await db.sql\`select name from schema_migrations order by position\`);
     await db.close();
     try { await openDatabase({ dataDir, schema: "hub", migrations: [...migrations, first[0]], maxConnections: 1 }); }
     catch (error) { print(error.message); }`,
  );
  expect(out).toContain('[{"name":"first"},{"name":"second"},{"name":"new"}]');
  expect(out).toContain("expected one migration of each name");
});

test("the binaries of the npm package run too, without their install script", async () => {
  const { out } = await runChild(
    join(root, "packaged"),
    `const cluster = await startCluster(dataDir, findPackagedBinaries());
     print(readFileSync(dataDir + "/postgres/PG_VERSION", "utf8").trim());
     await cluster.stop();`,
  );
  expect(JSON.parse(out)).toBe("17");
});

test("the owner is told of a server that was killed, not of one that it stopped itself", async () => {
  const start = `const cluster = await startCluster(dataDir, findPackagedBinaries(), (error) => {
      print(error.code);
      process.exit(7);
    });
    const wait = (ms) => new Promise((done) => setTimeout(done, ms));`;
  const stopped = await runChild(
    join(root, "packaged"),
    `${start} await cluster.stop(); await wait(4000); print("quiet");`,
  );
  expect(stopped).toEqual({ code: 0, out: '"quiet"\n' });
  const killed = await runChild(
    join(root, "packaged"),
    `${start} process.kill(Number(readFileSync(dataDir + "/postgres/postmaster.pid", "utf8").split("\\n")[0]), "SIGKILL");
     await wait(15_000);
     print("not told");`,
  );
  expect(killed).toEqual({ code: 7, out: '"DATABASE_UNAVAILABLE"\n' });
});

test("a remote database without verified TLS is refused before a byte is sent", async () => {
  const { out } = await runChild(
    join(root, "remote"),
    `try { await openDatabase({ dataDir, schema: "hub", url: "postgres://a:b@db.example.com/x?sslmode=require", migrations: [], maxConnections: 1 }); }
     catch (error) { print({ code: error.code, message: error.message }); }`,
  );
  expect(JSON.parse(out)).toEqual({
    code: "DATABASE_UNAVAILABLE",
    message: "expected sslmode=verify-full for a database on db.example.com, got require",
  });
});
