import { randomUUID, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditAttestation, AuditEntry, AuditProof } from "@sonde/schemas/audit";
import { openHubCheckpoint, hubLogLeaf } from "@sonde/trust/hub-log";
import { openKeySet } from "@sonde/trust/envelope";
import {
  appendLeaf,
  EMPTY_FRONTIER,
  isConsistent,
  proveConsistency,
  rootFromInclusion,
  rootOf,
} from "@sonde/trust/log";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startHub, type TestHub } from "../testing/start-hub.ts";
import { openHubKeys } from "../keys/open-hub-keys.ts";
import { buildAuditRecord, createAuditStore, openAudit, openCheckpoints } from "./index.ts";
import { createTreeStore } from "./edge/tree-store.ts";
import { type HubDatabase, openHubDatabase } from "../testing/open-hub-database.ts";

const record = (index: number) =>
  buildAuditRecord(new Date("2026-01-01T00:00:00Z"), "log.opened", { detail: { index } });

let database: HubDatabase;
beforeAll(async () => {
  database = await openHubDatabase();
});
beforeEach(async () => {
  const { sql } = database;
  await sql`truncate audit_log, audit_tree_hashes, audit_checkpoints`;
  await sql`update audit_head set size = 0, hash = 'sha256:' || repeat('0', 64)`;
  await sql`update audit_tree set size = 0, frontier = '', head = 'sha256:' || repeat('0', 64)`;
});
afterAll(() => database.close());

async function append(count: number): Promise<void> {
  const log = await openAudit(createAuditStore(database.sql, randomUUID()));
  await Promise.all(Array.from({ length: count }, (_, index) => log.append(record(index))));
}

async function growAll(): Promise<void> {
  const tree = createTreeStore(database.sql);
  while (await tree.grow());
}

/** The tree over the log's rows, leaf by leaf. */
async function rootNow() {
  const rows = await database.sql<{ hash: string }[]>`select hash from audit_log order by seq`;
  let frontier = EMPTY_FRONTIER;
  for (const { hash } of rows) frontier = appendLeaf(frontier, hubLogLeaf(hash));
  return { size: frontier.size, root: rootOf(frontier) };
}

test("the tree grows with the log, by batches, and is that of its entries", async () => {
  const tree = createTreeStore(database.sql);
  await append(300);
  expect(await tree.grow()).toBe(false);
  await append(2_500);
  await growAll();
  const { size, root } = await rootNow();
  expect(size).toBe(2_800);
  const frontier = await tree.readFrontier();
  expect([frontier.size, rootOf(frontier)]).toEqual([size, root]);
});

test("two hubs that grow the tree at the same time take each entry in once", async () => {
  await append(3_000);
  const other = await database.openAgain();
  const trees = [createTreeStore(database.sql), createTreeStore(other.sql)];
  await Promise.all(
    trees.map(async (tree) => {
      for (let times = 0; times < 8; times++) await tree.grow();
    }),
  );
  const frontier = await createTreeStore(database.sql).readFrontier();
  expect({ size: frontier.size, root: rootOf(frontier) }).toEqual(await rootNow());
});

// Attack 59.
test.each<[string, string, RegExp]>([
  [
    "a truncated tail",
    "delete from audit_log where seq > 90; update audit_head set size = 90",
    /got 90$/,
  ],
  [
    "a tail that was truncated and appended again",
    `delete from audit_log where seq > 90;
     update audit_head set size = 90, hash = (select hash from audit_log where seq = 90)`,
    /another last one|follows another/,
  ],
  [
    "an entry that is gone",
    `delete from audit_log where seq = 105`,
    /^expected entry 105, got entry 106$/,
  ],
  [
    "an entry that follows another",
    `update audit_log set previous = 'sha256:' || repeat('1', 64) where seq = 105`,
    /expected entry 105 to follow/,
  ],
])("%s is noticed, and nothing is taken in", async (what, change, message) => {
  await append(100);
  await growAll();
  const before = await createTreeStore(database.sql).readFrontier();
  if (what.startsWith("an entry")) await append(10);
  await database.sql.unsafe(change);
  if (what.includes("again")) await append(10);
  await expect(growAll()).rejects.toMatchObject({
    code: "AUDIT_INCONSISTENT",
    message: expect.stringMatching(message),
  });
  expect(await createTreeStore(database.sql).readFrontier()).toEqual(before);
});

let hub: TestHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

const attest = async (): Promise<AuditAttestation> => {
  const { answer, code } = await hub.ask("POST", "/audit/checkpoints");
  expect(code).toBe(200);
  return answer as unknown as AuditAttestation;
};
const open = ({ authority, keySet, hubId, checkpoint }: AuditAttestation) => {
  const set = openKeySet(keySet, new X509Certificate(authority).publicKey, hubId);
  return openHubCheckpoint(checkpoint?.note ?? "", set);
};

test("a hub that starts signs its log by itself", async () => {
  const signed = async () => (await hub.ask("GET", "/audit/attestation")).answer["checkpoint"];
  await expect.poll(signed, { timeout: 15_000 }).not.toBe(null);
});

test("what is new is signed within a minute, without anybody asking", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sonde-checkpoints-"));
  const report = (error: Error): never => {
    throw error;
  };
  const now = () => new Date();
  const keys = await openHubKeys({
    ...{ folder, names: ["localhost"], keyAlgorithm: "ed25519", now, report },
  });
  let elapsed = 0;
  const checkpoints = await openCheckpoints({
    ...{ sql: database.sql, keys, now, report },
    elapsed: () => elapsed,
  });
  try {
    for (const size of [3, 6]) {
      await append(3);
      await expect.poll(() => checkpoints.latest()?.size, { timeout: 15_000 }).toBe(size);
      elapsed += 50_000;
    }
  } finally {
    await checkpoints.close();
    keys.signing.close();
    rmSync(folder, { recursive: true });
  }
}, 40_000);

test("a checkpoint is signed by the audit key, for the entries that the log has", async () => {
  const attested = await attest();
  const checkpoint = open(attested);
  expect(checkpoint.size).toBe(attested.checkpoint?.size);
  expect(attested.unattested).toBe(attested.head.size - checkpoint.size);
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = answer["entries"] as AuditEntry[];
  let frontier = EMPTY_FRONTIER;
  for (const { hash } of entries.slice(0, checkpoint.size)) {
    frontier = appendLeaf(frontier, hubLogLeaf(hash));
  }
  expect(checkpoint.root).toEqual(rootOf(frontier));
  expect(attested.problem).toBeNull();
});

test("an entry is proven to be in it, and a later one is not yet", async () => {
  const { checkpoint } = await attest();
  const size = checkpoint?.size ?? 0;
  for (const seq of [1, 2, size]) {
    const { answer } = await hub.ask("GET", `/audit/entries/${seq}/proof`);
    const proof = answer as unknown as AuditProof;
    expect([proof.entry.seq, proof.checkpoint.size]).toEqual([seq, size]);
    const path = proof.path.map((hash) => Buffer.from(hash, "base64"));
    const root = rootFromInclusion(hubLogLeaf(proof.entry.hash), seq - 1, size, path);
    expect(root?.toString("base64")).toBe(checkpoint?.root);
  }
  const missing = await hub.ask("GET", `/audit/entries/${size + 1}/proof`);
  expect(missing.code).toBe("NOT_FOUND");
});

test("the end of the log is signed when the hub stops, and a later checkpoint goes on from it", async () => {
  const before = open(await attest());
  // A read is an entry.
  await hub.ask("GET", "/audit");
  await hub.restart();
  const { answer } = await hub.ask("GET", "/audit/attestation");
  const last = answer as unknown as AuditAttestation;
  expect(open(last).size).toBeGreaterThan(before.size);
  const after = open(await attest());
  expect(after.size).toBeGreaterThan(open(last).size);
  const { sql, ...rest } = await hub.openDatabase();
  const tree = createTreeStore(sql);
  const proof = await proveConsistency(before.size, after.size, tree.readTile);
  await rest.close();
  expect(isConsistent(before, after, proof)).toBe(true);
});

test("after its key has ended the newest checkpoint is signed anew, so that agents go on", async () => {
  const before = open(await attest());
  for (let times = 0; times < 2; times++) {
    const { code } = await hub.ask("POST", "/signing-keys/rotations", {
      ...{ key: "audit", overlapDays: 0 },
    });
    expect(code).toBe(201);
  }
  const { answer } = await hub.ask("GET", "/audit/attestation");
  const attested = answer as unknown as AuditAttestation;
  expect(open(attested).size).toBeGreaterThanOrEqual(before.size);
});

test("a log that was cut is a problem that the hub tells, and it signs no other", async () => {
  // Each reading is an entry.
  for (let times = 0; times < 4; times++) await hub.ask("GET", "/audit?limit=1");
  const { checkpoint } = await attest();
  const size = (checkpoint?.size ?? 0) - 3;
  await hub.restart(async () => {
    const { sql, ...rest } = await hub.openDatabase();
    await sql`delete from audit_log where seq > ${size}`;
    await sql`update audit_head set size = ${size},
      hash = (select hash from audit_log where seq = ${size})`;
    await rest.close();
  });
  expect((await hub.ask("POST", "/audit/checkpoints")).code).toBe("AUDIT_INCONSISTENT");
  const { answer } = await hub.ask("GET", "/audit/attestation");
  expect(answer["problem"]).toMatchObject({ code: "AUDIT_INCONSISTENT" });
  expect((answer["checkpoint"] as { size: number }).size).toBeGreaterThan(size);
  // Whoever looks elsewhere is told too.
  const health = (await hub.ask("GET", "/health")).answer;
  expect(health["attested"]).toMatchObject({ problem: "AUDIT_INCONSISTENT" });
  const asked = await fetch(`http://127.0.0.1:${hub.ready.http}/mcp`, {
    method: "POST",
    headers: {
      ...{ authorization: `Bearer ${hub.operatorKey}`, "content-type": "application/json" },
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({
      ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
      params: { name: "query_audit", arguments: { limit: 1 } },
    }),
  });
  expect(await asked.text()).toMatch(/problem[\\": ]+AUDIT_INCONSISTENT: expected the log/);
});
