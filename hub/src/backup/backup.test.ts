import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { type AuditEntry, type ChainEntry, isDropped } from "@sonde/schemas/audit";
import { verifyChain } from "@sonde/trust/chain";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fillOldLog } from "../testing/fill-old-log.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";

const workspace = resolve(import.meta.dirname, "../../..");
const PASSPHRASE = { passphrase: "correct horse battery staple" };
let hub: TestHub;
let folder: string;
const at = (...parts: string[]) => join(folder, ...parts);
const children: ChildProcess[] = [];

beforeAll(async () => {
  hub = await startHub();
  folder = mkdtempSync(join(tmpdir(), "sonde-backup-"));
  chmodSync(folder, 0o755);
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await hub?.close();
  rmSync(folder, { recursive: true, force: true });
});

type Said = { ok?: true; error?: { code: string; message: string } };

function start(order: object, input: "ignore" | number, output: "ignore" | number): ChildProcess {
  const program = join(workspace, "hub/src/backup/main.ts");
  const child = spawn(process.execPath, ["--conditions=sonde:source", program], {
    ...{ ...hub.account, cwd: workspace, stdio: [input, output, "pipe", "pipe"] },
  });
  children.push(child);
  const orders = child.stdio[3] as NodeJS.WritableStream;
  orders.end(JSON.stringify(order));
  return child;
}

async function run(...args: Parameters<typeof start>): Promise<Said> {
  const child = start(...args);
  let said = "";
  (child.stderr as Readable).on("data", (chunk: Buffer) => (said += chunk.toString()));
  await once(child, "close");
  if (!said.trim().endsWith("}")) throw new Error(said);
  return JSON.parse(said.trim().split("\n").at(-1) ?? "") as Said;
}

async function backUp(file: string, seal: object = PASSPHRASE): Promise<Said> {
  const fd = openSync(file, "w", 0o600);
  const said = await run({ action: "backup", config: hub.configPath, seal }, "ignore", fd);
  closeSync(fd);
  return said;
}

/** Leaves one row in a table, with a text of any size. */
async function holdFor(reason: string): Promise<void> {
  const { sql, ...opened } = await hub.openDatabase();
  await sql`delete from agent_holds`;
  await sql`insert into agent_holds (agent_id, kind, reason, since, by)
    values (${hub.agent.id}, 'restricted', ${reason}, now(), 'key:test')`;
  await opened.close();
}

/** A folder of the hub's user, as the operator's command makes it. */
function makeTarget(name: string): string {
  mkdirSync(at(name));
  const { uid, gid } = hub.account;
  if (uid !== undefined && gid !== undefined) chownSync(at(name), uid, gid);
  return at(name);
}

async function restore(file: string, dataDir: string, unseal: object = PASSPHRASE): Promise<Said> {
  const fd = openSync(file, "r");
  const said = await run({ action: "restore", dataDir, unseal }, fd, "ignore");
  closeSync(fd);
  return said;
}

/** Runs the hub of a restored folder, with a PostgreSQL of its own. */
async function startRestored(dataDir: string) {
  const config = JSON.parse(readFileSync(hub.configPath, "utf8")) as Record<string, unknown>;
  delete config["databaseUrl"];
  const path = `${dataDir}.json`;
  writeFileSync(path, JSON.stringify({ ...config, dataDir }));
  const program = join(workspace, "hub/src/main.ts");
  const words = [process.execPath, "--conditions=sonde:source", program, path];
  const child = spawn("setpriv", ["--no-new-privs", "--", ...words], {
    ...{ ...hub.account, cwd: folder, stdio: ["pipe", "pipe", "inherit"] },
  });
  children.push(child);
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { http } = JSON.parse(line.toString()) as { http: number };
  const ask = async (route: string) => {
    const key = readFileSync(join(dataDir, "operator-key"), "utf8").trim();
    const headers = { authorization: `Bearer ${key}` };
    const response = await fetch(`http://127.0.0.1:${http}/api/v1${route}`, { headers });
    return (await response.json()) as Record<string, unknown>;
  };
  const stop = async () => {
    child.kill("SIGTERM");
    await once(child, "close");
  };
  return { ask, stop };
}

test("a backup of a hub that serves becomes a hub with the same keys, people, agents and log, of a later epoch", async () => {
  const { id } = await hub.addKey();
  await hub.ask("PUT", "/agents/web-1/packs/acme/hello", { version: "1.0.0" });
  // While it is written, the hub goes on: all rows are of one moment.
  let goesOn = true;
  const busy = (async () => {
    while (goesOn) await hub.addKey();
  })();
  const said = await backUp(at("one.age"));
  goesOn = false;
  await busy;
  expect(said).toMatchObject({ ok: true });
  const bytes = readFileSync(at("one.age"));
  expect(bytes.toString("latin1")).toMatch(/^age-encryption\.org\/v1\n-> scrypt /);
  expect(bytes.includes("PRIVATE KEY")).toBe(false);

  const dataDir = makeTarget("one");
  expect(await restore(at("one.age"), dataDir)).toMatchObject({ ok: true });
  expect(statSync(join(dataDir, "keys", "ca-key.pem")).mode & 0o777).toBe(0o600);
  expect(existsSync(join(dataDir, "restored-config", "hub.json"))).toBe(true);
  // On this machine the hub of the backup still has them.
  rmSync(join(dataDir, "ports.json"));
  const restored = await startRestored(dataDir);
  const { keys } = (await restored.ask("/api-keys")) as { keys: { id: string }[] };
  expect(keys.map((key) => key.id)).toContain(id);
  const { agents } = (await restored.ask("/agents")) as { agents: object[] };
  expect(agents).toMatchObject([{ name: "web-1", desired: [{ name: "acme/hello" }] }]);
  const { keySet } = (await restored.ask("/signing-keys")) as { keySet: { epoch: number } };
  expect(Math.abs(Date.now() - keySet.epoch)).toBeLessThan(600_000);
  const page = (await restored.ask("/audit?afterSeq=0&limit=1000")) as { entries: AuditEntry[] };
  expect(() => verifyChain(page.entries)).not.toThrow();
  const events = page.entries.map(({ record }) => record.event);
  expect(events).toContain("hub.backed-up");
  expect(events).toContain("hub.restored");
  await restored.stop();
}, 180_000);

test("a log of which content was dropped is backed up and restored, and goes on", async () => {
  const former = hub;
  const begin = new Date("2026-01-02T00:00:00.000Z");
  const config = { audit: { retention: { maxDays: 30 } } };
  hub = await startHub(({ sql }) => fillOldLog(sql, 1, begin), {}, { config });
  try {
    await hub.ask("POST", "/audit/checkpoints");
    const { sql, ...opened } = await hub.openDatabase();
    const count = async () => (await sql`select 1 from audit_dropped`).length;
    await expect.poll(count, { timeout: 60_000 }).toBe(1);
    await opened.close();
    expect(await backUp(at("dropped.age"))).toMatchObject({ ok: true });
    const dataDir = makeTarget("dropped");
    expect(await restore(at("dropped.age"), dataDir)).toMatchObject({ ok: true });
    rmSync(join(dataDir, "ports.json"));
    const restored = await startRestored(dataDir);
    const entries: ChainEntry[] = [];
    for (let size = 0; ; size = entries.length) {
      const page = await restored.ask(`/audit?afterSeq=${size}&limit=1000`);
      const more = page["entries"] as ChainEntry[];
      entries.push(...more);
      if (more.length < 1_000) break;
    }
    expect(() => verifyChain(entries)).not.toThrow();
    expect(entries.filter(isDropped)).toHaveLength(4_095);
    const proof = await restored.ask("/audit/entries/700/proof");
    expect(proof).toMatchObject({ entry: { seq: 700, dropped: true } });
    await restored.stop();
  } finally {
    await hub.close();
    hub = former;
  }
}, 180_000);

test("a backup to a public key is opened with the secret key alone", async () => {
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  expect(await backUp(at("two.age"), { recipients: [recipient] })).toMatchObject({ ok: true });
  expect((await restore(at("two.age"), makeTarget("other"))).error?.code).toBe("BACKUP_INVALID");
  const unseal = { identities: [identity] };
  expect(await restore(at("two.age"), makeTarget("two"), unseal)).toMatchObject({ ok: true });
});

test.each<[string, (file: string) => void]>([
  ["cut off", (file) => truncateSync(file, statSync(file).size - 30_000)],
  [
    "changed in one byte",
    (file) => {
      const bytes = readFileSync(file);
      bytes[bytes.length - 5000] = (bytes[bytes.length - 5000] ?? 0) ^ 1;
      writeFileSync(file, bytes);
    },
  ],
  ["no backup", (file) => writeFileSync(file, "anything")],
])("a backup that is %s is refused", async (what, damage) => {
  const file = at(`${what}.age`);
  writeFileSync(file, readFileSync(at("one.age")));
  damage(file);
  const said = await restore(file, makeTarget(`target ${what}`));
  expect(said.error?.code).toBe("BACKUP_INVALID");
});

test("another pass phrase is refused", async () => {
  const said = await restore(at("one.age"), makeTarget("wrong"), { passphrase: "another one" });
  expect(said.error?.code).toBe("BACKUP_INVALID");
  expect(JSON.stringify(said)).not.toContain("another one");
});

test("a row that is larger than every buffer on its way is written and restored", async () => {
  await holdFor("a".repeat(300_000));
  expect(await backUp(at("large.age"))).toMatchObject({ ok: true });
  expect(statSync(at("large.age")).size).toBeGreaterThan(300_000);
  expect(await restore(at("large.age"), makeTarget("large"))).toMatchObject({ ok: true });
}, 30_000);

test("a full disk is said, also in the midst of a table, and nothing counts as a backup", async () => {
  for (const characters of [1, 9_000_000]) {
    await holdFor("a".repeat(characters));
    const said = await backUp("/dev/full");
    expect(said.error?.code).toBe("BACKUP_FAILED");
    expect(said.error?.message).toContain("the disk is full");
  }
}, 60_000);

test("a hub that does not run is said", async () => {
  const config = JSON.parse(readFileSync(hub.configPath, "utf8")) as Record<string, unknown>;
  const url = "postgres://nobody@localhost/none?host=/nonexistent";
  writeFileSync(at("off.json"), JSON.stringify({ ...config, databaseUrl: url }));
  const order = { action: "backup", config: at("off.json"), seal: PASSPHRASE };
  expect((await run(order, "ignore", "ignore")).error?.code).toBe("DATABASE_UNAVAILABLE");
});
