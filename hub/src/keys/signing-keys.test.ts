import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { algorithmOf, keyIdOf, openKeySet } from "@sonde/trust/envelope";
import { afterEach, beforeEach, expect, test } from "vitest";
import { chooseCommandKey } from "./choose-command-key.ts";
import { type HubKeys, openHubKeys } from "./open-hub-keys.ts";

const DAY_MS = 24 * 3_600_000;
let folder: string;
let nowMs: number;
let keys: HubKeys;
const opened: HubKeys[] = [];

async function open(keyAlgorithm: "ed25519" | "rsa-sha256" = "ed25519"): Promise<HubKeys> {
  const now = () => new Date(nowMs);
  const report = (error: Error) => {
    throw error;
  };
  const made = await openHubKeys({ folder, names: ["localhost"], keyAlgorithm, now, report });
  opened.push(made);
  return made;
}
const noRecord = () => Promise.resolve();
const privateFiles = (use = "command") =>
  readdirSync(folder).filter((name) => name.startsWith(`${use}-key`));
/** The set as an agent that pinned this CA reads it. */
const stated = ({ signing, authority, hubId }: HubKeys) =>
  openKeySet(signing.held().envelope, new X509Certificate(authority).publicKey, hubId);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sonde-keys-"));
  nowMs = Date.parse("2026-01-01T00:00:00Z");
  keys = await open();
});
afterEach(() => {
  for (const { signing } of opened.splice(0)) signing.close();
  rmSync(folder, { recursive: true, force: true });
});

test("a hub of an earlier release gets a first key set with the key that its agents know", () => {
  const { commandKeys, auditKeys, epoch, version } = stated(keys);
  expect([epoch, version, commandKeys.length, auditKeys?.length]).toEqual([0, 1, 1, 1]);
  const key = createPrivateKey(readFileSync(join(folder, "command-key.pem")));
  expect(keys.signing.held().keys.command[0].signer.keyId).toBe(keyIdOf(key));
});

test("a rotated key stays for its overlap, and its private half is then gone", async () => {
  const first = keys.signing.held().keys.command[0];
  let recorded: string[] = [];
  nowMs += DAY_MS;
  await keys.signing.rotate("command", 7 * DAY_MS, (from, to) => {
    // On record before anything is signed with it.
    expect(keys.signing.held().keys.command[0]).toBe(first);
    recorded = [from, to];
    return Promise.resolve();
  });
  const held = keys.signing.held();
  expect(held.keys.command.map(({ signer }) => signer.keyId)).toEqual(recorded.toReversed());
  expect(stated(keys)).toMatchObject({ version: 2, commandKeys: [{ until: null }, {}] });
  expect(privateFiles()).toHaveLength(2);
  const before = new Date(nowMs - 1);
  const choose = (followsKeySets: boolean, enrolledAt: Date) =>
    chooseCommandKey(keys.signing.held(), { followsKeySets, enrolledAt }).signer.keyId;
  expect(choose(true, before)).toBe(recorded[1]);
  expect(choose(false, before)).toBe(recorded[0]);
  expect(choose(false, new Date(nowMs))).toBe(recorded[1]);

  const changed = new Promise<void>((done) => keys.signing.onChange(done));
  nowMs += 7 * DAY_MS;
  await changed;
  expect(stated(keys)).toMatchObject({ version: 3, commandKeys: [{ until: null }] });
  expect(privateFiles()).toHaveLength(1);
  expect(choose(false, before)).toBe(recorded[1]);
});

test.each(["ed25519", "rsa-sha256"] as const)(
  "identity rule 10: a hub whose set has no audit key gets one, of %s, and keeps it",
  async (algorithm) => {
    // As a hub of before the audit key left it.
    const { auditKeys: _, ...before } = keys.signing.held().set;
    const signed = await (await keys.openAuthority()).signKeySet(before);
    writeFileSync(join(folder, "key-set.json"), JSON.stringify(signed));
    for (const name of privateFiles("audit")) rmSync(join(folder, name));
    const upgraded = await open(algorithm);
    const { commandKeys, auditKeys = [], version } = stated(upgraded);
    expect([version, auditKeys.length]).toEqual([2, 1]);
    expect(commandKeys).toEqual(before.commandKeys);
    const { audit, command } = upgraded.signing.held().keys;
    expect(algorithmOf(audit[0].publicKey)).toBe(algorithm);
    expect(audit[0].signer.keyId).not.toBe(command[0].signer.keyId);
    const again = await open();
    expect(stated(again).version).toBe(2);
    expect(again.signing.held().keys.audit[0].signer.keyId).toBe(audit[0].signer.keyId);
  },
);

test("an audit key rotates with an overlap, and the command key stays", async () => {
  const { command, audit } = keys.signing.held().keys;
  await keys.signing.rotate("audit", DAY_MS, noRecord);
  const after = keys.signing.held().keys;
  expect(after.command.map(({ signer }) => signer.keyId)).toEqual([command[0].signer.keyId]);
  expect(after.audit.map(({ signer }) => signer.keyId)).toEqual([
    expect.not.stringContaining(audit[0].signer.keyId),
    audit[0].signer.keyId,
  ]);
  expect([privateFiles("audit").length, privateFiles().length]).toEqual([2, 1]);
  nowMs += DAY_MS;
  const later = await open();
  expect(later.signing.held().keys.audit).toHaveLength(1);
  expect(privateFiles("audit")).toHaveLength(1);
});

test("a stolen key ends at once, and the new one is of the algorithm that is configured now", async () => {
  const rsa = await open("rsa-sha256");
  await rsa.signing.rotate("command", 0, noRecord);
  const { commandKeys } = stated(rsa);
  expect(commandKeys).toHaveLength(1);
  expect(algorithmOf(rsa.signing.held().keys.command[0].publicKey)).toBe("rsa-sha256");
  expect(privateFiles()).toHaveLength(1);
});

test("a rotation that cannot be recorded changes nothing", async () => {
  const refused = keys.signing.rotate("command", 0, () => Promise.reject(new Error("full disk")));
  await expect(refused).rejects.toThrow("full disk");
  expect(stated(keys).version).toBe(1);
  expect(privateFiles()).toEqual(["command-key.pem"]);
});

test("another hub with the same keys notices a rotation", async () => {
  const other = await open();
  const noticed = new Promise<void>((done) => other.signing.onChange(done));
  await keys.signing.rotate("command", DAY_MS, noRecord);
  await noticed;
  expect(other.signing.held().envelope).toEqual(keys.signing.held().envelope);
  // Each plans from what is on disk: no version is given twice.
  await Promise.all([
    keys.signing.rotate("command", DAY_MS, noRecord),
    other.signing.rotate("command", DAY_MS, noRecord),
  ]);
  expect((await open()).signing.held().set.version).toBe(4);
});

test("the set is renewed long before it ends, also at a start", async () => {
  const until = (made: HubKeys) => Date.parse(stated(made).expiresAt) - nowMs;
  expect(until(keys)).toBe(90 * DAY_MS);
  nowMs += 29 * DAY_MS;
  expect(stated(await open()).version).toBe(1);
  nowMs += 2 * DAY_MS;
  const again = await open();
  expect([stated(again).version, until(again)]).toEqual([2, 90 * DAY_MS]);
});

test("a restore raises the epoch, which never goes back", async () => {
  writeFileSync(join(folder, "epoch"), "1800000000000");
  expect(stated(await open())).toMatchObject({ epoch: 1_800_000_000_000, version: 2 });
  writeFileSync(join(folder, "epoch"), "5");
  expect(stated(await open())).toMatchObject({ epoch: 1_800_000_000_000, version: 2 });
});

test("a set whose private key is missing does not start the hub", async () => {
  rmSync(join(folder, "command-key.pem"));
  await expect(open()).rejects.toMatchObject({ code: "STARTING_FAILED" });
});
