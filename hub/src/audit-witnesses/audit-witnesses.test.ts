import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditAttestation, AuditEntry } from "@sonde/schemas/audit";
import { verifyHubLog } from "@sonde/trust/hub-log";
import { parseNoteKey } from "@sonde/trust/log";
import { stretchesOf } from "@sonde/trust/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startHub, type TestHub } from "../testing/start-hub.ts";

// Two hubs as processes, of which one is a witness of the other's log.
const NOBODY = 65_534;
let hub: TestHub;
let witness: TestHub;

beforeEach(async () => {
  [hub, witness] = await Promise.all([startHub(), startHub()]);
});
afterEach(async () => {
  await Promise.all([hub.close(), witness.close()]);
});

async function vkeyOf(of: TestHub, use: "audit" | "witness"): Promise<string> {
  const { answer } = await of.ask("GET", "/signing-keys");
  const keys = answer["keys"] as { use: string; vkey?: string }[];
  return keys.find((key) => key.use === use)?.vkey ?? "";
}
/** Changes the file of its configuration, which counts from the next start on. */
function configure(of: TestHub, changes: object): void {
  const config = JSON.parse(readFileSync(of.configPath, "utf8")) as object;
  writeFileSync(of.configPath, JSON.stringify({ ...config, ...changes }));
}
/** Makes one hub the witness of the other. @returns the witness's vkey */
async function connect(): Promise<string> {
  configure(witness, { witnessFor: [await vkeyOf(hub, "audit")] });
  await witness.restart();
  const key = await vkeyOf(witness, "witness");
  const url = `http://127.0.0.1:${witness.ready.http}/witness`;
  configure(hub, { auditWitnesses: [{ name: "other", kind: "tlog-witness", url, key }] });
  await hub.restart();
  return key;
}
const makeEntries = async (count: number) => {
  for (let index = 0; index < count; index++) {
    const tag = { set: [`n=v${index}`], remove: [] };
    expect((await hub.ask("POST", "/agents/web-1/tags", tag)).code).toBe(200);
  }
};
const sign = async () =>
  (await hub.ask("POST", "/audit/checkpoints")).answer as unknown as AuditAttestation;
const stateOf = async (of = hub) => {
  const { answer } = await of.ask("GET", "/audit/witnesses");
  const [state] = answer["witnesses"] as Record<string, unknown>[];
  return state;
};
const entriesOf = async (of: TestHub) => {
  const { answer } = await of.ask("GET", "/audit?afterSeq=0&limit=1000");
  return answer["entries"] as AuditEntry[];
};
const verify = async (key: string) => {
  const { answer } = await hub.ask("GET", "/audit/attestation");
  const attested = answer as unknown as AuditAttestation;
  const witnessKeys = [parseNoteKey(key, "cosignature")];
  return await verifyHubLog(stretchesOf(await entriesOf(hub), 500), attested, { witnessKeys });
};
const metrics = async () => {
  const scraped = await fetch(`http://127.0.0.1:${hub.ready.http}/metrics`, {
    headers: { authorization: `Bearer ${hub.operatorKey}` },
  });
  return await scraped.text();
};

/** As one does who has the database: what follows is gone, and so is what was signed of it. */
async function cut(size: number): Promise<void> {
  const { sql, ...database } = await hub.openDatabase();
  await sql`delete from audit_log where seq > ${size}`;
  await sql`update audit_head set size = ${size},
    hash = (select hash from audit_log where seq = ${size})`;
  await sql`truncate audit_tree_hashes, audit_checkpoints`;
  await sql`update audit_tree set size = 0, frontier = '', head = 'sha256:' || repeat('0', 64)`;
  await database.close();
}

test("a checkpoint is cosigned by the other hub, and whoever has its key can verify the log by it", async () => {
  const key = await connect();
  await makeEntries(3);
  const { checkpoint } = await sign();
  await expect.poll(async () => (await stateOf())?.["size"]).toBe(checkpoint?.size);
  const state = await stateOf();
  expect(state).toMatchObject({
    ...{ name: "other", kind: "tlog-witness", lagEntries: 0, failingSince: null },
    ...{ disagrees: false, lastError: null, failures: 0 },
  });
  expect((await hub.ask("GET", "/health")).answer["witnesses"]).toEqual([state]);
  expect(await metrics()).toContain('\nsonde_audit_witness_disagrees{witness="other"} 0\n');
  expect(await verify(key)).toMatchObject({
    bad: null,
    cosignatures: [{ size: checkpoint?.size, says: "same" }],
  });
  const client = await hub.addKey();
  expect((await hub.ask("GET", "/audit/witnesses", undefined, client.key)).code).toBe("FORBIDDEN");
}, 60_000);

test("attack 59: a log that was cut and one that was rewritten are refused by the witness, and the hub says so once", async () => {
  const key = await connect();
  await makeEntries(60);
  const { checkpoint } = await sign();
  const seen = checkpoint?.size ?? 0;
  await expect.poll(async () => (await stateOf())?.["size"]).toBe(seen);
  await hub.restart(() => cut(10));
  await sign();
  await expect.poll(async () => (await stateOf())?.["disagrees"], { timeout: 10_000 }).toBe(true);
  expect((await stateOf())?.["lastError"]).toMatchObject({
    code: "WITNESS_DISAGREES",
    message: expect.stringMatching(`has cosigned ${seen} entries`) as string,
  });
  expect((await hub.ask("GET", "/health")).answer["witnesses"]).toMatchObject([
    { name: "other", disagrees: true },
  ]);
  expect(await metrics()).toContain('\nsonde_audit_witness_disagrees{witness="other"} 1\n');
  expect((await verify(key)).bad).toMatchObject({ proves: expect.stringMatching(/witness/) });
  // Grown again beyond what was seen, it is another log.
  await makeEntries(seen);
  // A new start waits for nothing that failed before it.
  await hub.restart();
  await expect
    .poll(async () => (await stateOf())?.["lastError"], { timeout: 30_000 })
    .toMatchObject({ message: expect.stringMatching(/does not find the/) as string });
  const told = (await entriesOf(hub)).filter(({ record }) => record.event === "witness.disagreed");
  expect(told).toHaveLength(1);
  const verdict = await verify(key);
  expect(verdict.cosignatures).toMatchObject([{ size: seen, says: "another" }]);
  expect(verdict.bad).toMatchObject({ seq: seen });
  const evidence = (await entriesOf(witness)).filter(
    ({ record }) => record.event === "witness.refused",
  );
  expect(evidence).toHaveLength(1);
  const origin = `sonde.hub/${hub.ready.hubId}`;
  expect(evidence[0]?.record.detail).toMatchObject({ log: origin, seen });
  // People know of a restore, and let the log begin anew.
  expect((await witness.ask("POST", "/audit/forgotten-logs", { origin })).code).toBe(200);
  await hub.restart();
  await expect.poll(async () => (await stateOf())?.["disagrees"], { timeout: 30_000 }).toBe(false);
  expect(await verify(key)).toMatchObject({ bad: null, cosignatures: [{ says: "same" }] });
}, 120_000);

test("a witness that comes back gets the newest checkpoint; one with another key is not believed", async () => {
  await connect();
  await sign();
  await expect.poll(async () => (await stateOf())?.["size"]).toBeGreaterThan(0);
  await witness.restart(async () => {
    await makeEntries(2);
    await sign();
    await expect.poll(async () => (await stateOf())?.["failingSince"]).not.toBe(null);
    rmSync(join(witness.keysDir, "witness-key.pem"));
  }, "SIGKILL");
  await expect
    .poll(async () => (await stateOf())?.["lastError"], { timeout: 30_000 })
    .toMatchObject({ code: "WITNESS_UNTRUSTED" });
  expect((await entriesOf(hub)).map(({ record }) => record.event)).not.toContain(
    "witness.disagreed",
  );
}, 90_000);

test("witnesses change while the hub runs, and one that cannot work changes nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sonde-hub-witnesses-"));
  const path = join(folder, "checkpoints");
  writeFileSync(join(folder, "open-key"), "whsec_AAAA");
  chmodSync(join(folder, "open-key"), 0o640);
  if (process.getuid?.() === 0) {
    for (const name of ["", "open-key"]) chownSync(join(folder, name), NOBODY, NOBODY);
  }
  const file = { name: "disk", kind: "file", path };
  expect(await hub.reload({ auditWitnesses: [file] })).toContain("taken over: auditWitnesses");
  const { checkpoint } = await sign();
  await expect.poll(async () => (await stateOf())?.["size"]).toBe(checkpoint?.size);
  expect(readFileSync(path, "utf8")).toContain(checkpoint?.note);
  const tlog = { name: "other", kind: "tlog-witness", url: "https://witness.example/", key: "x" };
  const hook = { name: "hook", kind: "webhook", url: "https://hook.example/" };
  const refused: [object, string][] = [
    [{ auditWitnesses: [tlog] }, "auditWitnesses, other: witness key: expected"],
    [{ auditWitnesses: [{ ...tlog, url: "http://witness.example/" }] }, "auditWitnesses"],
    [{ auditWitnesses: [{ ...tlog, url: "https://witness.example/?a=b" }] }, "auditWitnesses"],
    [{ auditWitnesses: [file, { ...file, path: `${path}-2` }] }, "expected a name of its own"],
    [{ auditWitnesses: [file, { ...file, name: "b" }] }, "expected a file of its own"],
    [{ auditWitnesses: [file], auditSinks: [file] }, "expected a file of its own"],
    [{ auditWitnesses: [{ ...file, path: "/nonexistent/x" }] }, "expected a folder"],
    [{ auditWitnesses: [{ ...hook, keyPath: join(folder, "open-key") }] }, "chmod 600"],
    [{ auditWitnesses: [{ ...hook, keyPath: join(folder, "none") }] }, "expected a webhook key"],
    [{ auditWitnesses: [{ ...file, kind: "paper" }] }, "auditWitnesses"],
  ];
  for (const [changes, why] of refused) {
    const said = await hub.reload(changes);
    expect(said).toContain("configuration not reloaded, nothing was changed: CONFIG_INVALID: ");
    expect(said).toContain(why);
  }
  rmSync(folder, { recursive: true });
}, 60_000);
