import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, renameSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type RegistryEntry, parsePublishedVersion } from "@sonde/schemas/registry";
import { followRegistry } from "@sonde/trust/admit";
import { EMPTY_FRONTIER, encodeFrontier } from "@sonde/trust/log";
import { type SampleKey, buildSampleArchive, createSampleKey } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { PIPELINE } from "./core/publish/publish-version.ts";
import { TestRegistry, type Upload, signUpload, uploadForm } from "./testing/test-registry.ts";

// Kills the registry during each step of a publish. The test holds each step from outside: by a
// stopped process, by a FIFO in place of a file, or by a lock in the database.
vi.setConfig({ testTimeout: 120_000 });

let registry: TestRegistry;
let acme: SampleKey;
let token: string;
/** The advisory lock that holds a commit. */
const HELD = 61;
/** The versions that the registry acknowledged, in order. */
const acknowledged: string[] = [];

beforeAll(async () => {
  registry = await TestRegistry.start();
  acme = createSampleKey();
  token = await registry.addPublisher("acme", acme);
}, 120_000);
afterAll(() => registry.close());

const build = (version: string): Upload => {
  const archive = buildSampleArchive({ manifest: { version }, code: `// ${version}\n` });
  return signUpload(archive, `acme/hello/${version}`, acme, token);
};
const inFolder = (name: string): string[] => readdirSync(join(registry.dataDir, name)).toSorted();
const waitFor = (look: () => unknown): Promise<unknown> =>
  vi.waitFor(async () => expect(await look()).toBeTruthy(), { timeout: 30_000 });

async function publish(upload: Upload): Promise<number> {
  const { status, body } = await registry.publish(upload);
  const { version } = parsePublishedVersion(body);
  if (status === 201) acknowledged.push(version);
  return status;
}

/** Follows the whole log as an agent does, with a proof for every entry. */
async function readLog(): Promise<string[]> {
  const entries: RegistryEntry[] = [];
  const { head } = await followRegistry(
    registry.admitPath,
    {
      registry: registry.at(""),
      logKey: registry.logKey,
      from: encodeFrontier(EMPTY_FRONTIER),
      seen: [],
    },
    ({ entry }) => void entries.push(entry),
  );
  expect(head.size).toBe(entries.length);
  return entries.map((entry) => (entry.type === "publish" ? entry.version : entry.type));
}

/** Waits until the publish has reached its step, then calls `kill`, then releases the step. */
type Hold = (upload: Upload, kill: () => Promise<void>) => Promise<void>;

/** Repeats a query until it returns a row. */
const untilRow = (question: string): Promise<unknown> =>
  registry.inDatabase((sql) => waitFor(async () => (await sql.unsafe(question)).length > 0));

/** Builds the query that tells whether a statement waits for a lock. */
const waitingFor = (statement: string): string => `select 1 from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock' and query ilike '%${statement}%'`;

function send(upload: Upload): void {
  // No answer comes, since the registry is killed.
  void registry.publish(upload).catch(() => undefined);
}

/** Holds a statement by a lock that the test has. */
const atStatement =
  (statement: string, lock: string): Hold =>
  (upload, kill) =>
    registry.inDatabase((sql) =>
      sql.begin(async (transaction) => {
        await transaction.unsafe(lock);
        send(upload);
        await untilRow(waitingFor(statement));
        await kill();
      }),
    );

/** Sends the first bytes, and the rest once the registry has received them. */
async function sendInTwo(upload: Upload, between: (place: string) => void): Promise<void> {
  const form = new Response(uploadForm(upload));
  const type = form.headers.get("content-type") ?? "";
  const body = Buffer.from(await form.arrayBuffer());
  const half = body.length - 500;
  const socket = connect(registry.port, "127.0.0.1").on("error", () => undefined);
  socket.write(
    `PUT /api/v1/packs/${upload.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n` +
      `content-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  socket.write(body.subarray(0, half));
  const places = join(registry.dataDir, "uploads");
  await waitFor(() => {
    const [place = ""] = readdirSync(places);
    return readdirSync(join(places, place)).includes("archive");
  });
  between(join(places, inFolder("uploads")[0] ?? ""));
  socket.write(body.subarray(half));
}

const whileReceived: Hold = async (upload, kill) => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((done) => (release = done));
  await sendInTwo(upload, release);
  await held;
  await kill();
};

/** Replaces a file by a FIFO. A process that opens it blocks until the file is put back. */
function putFifo(path: string): { untilOpened: () => Promise<unknown>; putBack: () => void } {
  renameSync(path, `${path}.kept`);
  execFileSync("mkfifo", ["-m", "666", path]);
  return {
    untilOpened: () => waitFor(isOpeningFifo),
    putBack: () => renameSync(`${path}.kept`, path),
  };
}

/** Tells whether a thread of the registry waits in the kernel for the other end of a FIFO. */
function isOpeningFifo(): boolean {
  const threads = `/proc/${registry.child?.pid}/task`;
  return readdirSync(threads).some(
    (thread) => readFileSync(join(threads, thread, "wchan"), "utf8") === "wait_for_partner",
  );
}

/** The bundle is the first file that is read, for the check of its size. */
const atSize: Hold = async (upload, kill) => {
  let fifo: ReturnType<typeof putFifo> | undefined;
  await sendInTwo(upload, (place) => (fifo = putFifo(join(place, "bundle"))));
  await fifo?.untilOpened();
  await kill();
  fifo?.putBack();
};

/** The steps from archive to code run in one process and look alike from outside. */
const inChecker: Hold = async (upload, kill) => {
  const checkers = registry.checkers();
  expect(checkers.length).toBe(1);
  for (const pid of checkers) process.kill(pid, "SIGSTOP");
  const [{ now } = {}] = await registry.inDatabase((sql) => sql`select now()::text as now`);
  send(upload);
  // The last query before the check.
  await untilRow(`select 1 from pg_stat_activity
    where datname = current_database() and query ilike '%from publisher_identities%'
    and state = 'idle' and state_change > '${String(now)}' and pid <> pg_backend_pid()`);
  await kill();
  for (const pid of checkers) process.kill(pid, "SIGKILL");
};

/** Holds the archive when it is opened again to be stored. */
const atBlob: Hold = async (upload, kill) => {
  let fifo: ReturnType<typeof putFifo> | undefined;
  await registry.inDatabase((sql) =>
    sql.begin(async (transaction) => {
      await transaction`lock table pack_names`;
      send(upload);
      await untilRow(waitingFor("from pack_names"));
      const [place = ""] = inFolder("uploads");
      fifo = putFifo(join(registry.dataDir, "uploads", place, "archive"));
    }),
  );
  await fifo?.untilOpened();
  await kill();
  fifo?.putBack();
};

// Nothing can be held between the process's answer and the next query. A kill during rights or
// capability is a kill at that query.
const afterChecker = atStatement("from versions where name", "lock table versions");
const HOLDS: Record<"receive" | (typeof PIPELINE)[number], Hold> = {
  receive: whileReceived,
  size: atSize,
  archive: inChecker,
  signature: inChecker,
  manifest: inChecker,
  reads: inChecker,
  code: inChecker,
  rights: afterChecker,
  capability: afterChecker,
  name: atStatement("from pack_names", "lock table pack_names"),
  blob: atBlob,
  log: atStatement("from log_head for update", "select * from log_head for update"),
};
/** The files of the pipeline, with the steps of each. */
const FILES: Record<string, (keyof typeof HOLDS)[]> = {
  "cap-size.ts": ["size"],
  "check-archive.ts": ["archive", "signature", "manifest", "reads", "code"],
  "check-rights.ts": ["rights"],
  "check-capability.ts": ["capability"],
  "check-name.ts": ["name"],
  "publish-version.ts": ["blob", "log"],
  "submission.ts": [],
};

test("every step of the pipeline has a hold here, and every file is a step", () => {
  expect(Object.keys(HOLDS)).toEqual(["receive", ...PIPELINE]);
  const files = readdirSync(join(import.meta.dirname, "core/publish"));
  expect(files.toSorted()).toEqual(Object.keys(FILES).toSorted());
  expect(Object.values(FILES).flat()).toEqual(PIPELINE);
});

const steps = ["receive", ...PIPELINE] as const;
// Steps that are held in the same way share one kill.
const kills = [...new Set(Object.values(HOLDS))].map((hold, index) => {
  const held = steps.filter((step) => HOLDS[step] === hold);
  return [held.join(", "), hold, `2.${index}.0`] as const;
});
test.each(kills)(
  "killed in %s: nothing partial is visible or left over, and a retry publishes it",
  async (_steps, hold, version) => {
    // Publish one version first, so that there is data to lose and a process to stop.
    expect(await publish(build(version.replace("2.", "1.")))).toBe(201);
    const archives = inFolder("archives");
    const upload = build(version);
    const children = registry.checkers();
    await hold(upload, async () => {
      expect(inFolder("uploads").length).toBe(1);
      await registry.stop("SIGKILL");
    });
    await waitFor(() => children.every((pid) => hasEnded(pid)));
    await registry.start();

    expect((await registry.read(`/api/v1/packs/${upload.path}`)).status).toBe(404);
    expect((await fetch(registry.at(`/api/v1/packs/${upload.path}/archive`))).status).toBe(404);
    expect(await readLog()).toEqual(acknowledged);
    expect(inFolder("archives")).toEqual(archives);
    expect(inFolder("uploads")).toEqual([]);

    expect(await publish(upload)).toBe(201);
    const served = await fetch(registry.at(`/api/v1/packs/${upload.path}/archive`));
    expect(Buffer.from(await served.arrayBuffer()).equals(upload.archive)).toBe(true);
    expect(await readLog()).toEqual(acknowledged);
  },
);

test("killed after the commit and before the answer: the version is published", async () => {
  const upload = build("3.0.0");
  await registry.inDatabase(async (sql) => {
    // A trigger holds the registry's commit inside PostgreSQL.
    await sql.unsafe(`select pg_advisory_lock(${HELD});
      create function hold() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock_shared(${HELD}); return null; end $$;
      create constraint trigger hold after insert on versions deferrable initially deferred
        for each row execute function hold();`);
    send(upload);
    await untilRow(`select 1 from pg_stat_activity
      where datname = current_database() and wait_event = 'advisory' and query ilike 'commit%'`);
    registry.child?.kill("SIGSTOP");
    await sql`select pg_advisory_unlock(${HELD})`;
    await untilRow("select 1 from versions where version = '3.0.0'");
    await registry.stop("SIGKILL");
    await sql`drop function hold cascade`;
  });
  expect(inFolder("uploads").length).toBe(1);
  await registry.start();
  expect(inFolder("uploads")).toEqual([]);
  expect(await readLog()).toEqual([...acknowledged, "3.0.0"]);
  const { body } = await registry.read(`/api/v1/packs/${upload.path}`);
  expect(await registry.publish(upload)).toEqual({ status: 200, body });
  const served = await fetch(registry.at(`/api/v1/packs/${upload.path}/archive`));
  expect(Buffer.from(await served.arrayBuffer()).equals(upload.archive)).toBe(true);
  expect(await readLog()).toEqual([...acknowledged, "3.0.0"]);
});

function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8") === "";
  } catch {
    return true;
  }
}
