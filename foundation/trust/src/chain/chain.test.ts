import { join } from "node:path";
import type { AuditEntry, AuditRecord } from "@sonde/schemas/audit";
import type { LogHead } from "@sonde/schemas/wire";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { canonicalJson } from "../canonical-json.ts";
import { chainRecord, EMPTY_HEAD, headAfter, verifyChain } from "./chain.ts";

function record(event: AuditRecord["event"], detail: AuditRecord["detail"] = {}): AuditRecord {
  return {
    at: "2026-01-01T00:00:00.000Z",
    event,
    callId: null,
    principal: null,
    agent: null,
    probe: null,
    packDigest: null,
    status: "info",
    code: null,
    durationMs: null,
    detail,
  };
}

function buildLog(size: number): AuditEntry[] {
  const entries: AuditEntry[] = [];
  let head: LogHead = EMPTY_HEAD;
  for (let index = 0; index < size; index++) {
    const entry = chainRecord(head, record("log.opened", { index }));
    entries.push(entry);
    head = headAfter(entry);
  }
  return entries;
}

test("an untouched log verifies to its head", () => {
  const entries = buildLog(5);
  expect(verifyChain(entries)).toEqual({ size: 5, hash: entries[4]?.hash });
  expect(verifyChain(entries.slice(2), headAfter(entries[1] as AuditEntry)).size).toBe(5);
});

test("an entry has its members sorted, as they are hashed", () => {
  const { record: chained } = chainRecord(EMPTY_HEAD, record("log.opened", { b: 1, a: 2 }));
  expect(JSON.stringify(chained)).toBe(canonicalJson(chained));
  expect(Object.keys(chained.detail)).toEqual(["a", "b"]);
});

test("attack 59: an edited, deleted, inserted, moved or doubled entry is named", () => {
  const at = (entries: AuditEntry[], index: number) => entries[index] as AuditEntry;
  const changes: [string, (entries: AuditEntry[]) => AuditEntry[]][] = [
    ["edited", (e) => e.with(2, { ...at(e, 2), record: record("log.opened", { index: 99 }) })],
    ["deleted", (e) => e.toSpliced(2, 1)],
    ["moved", (e) => e.with(2, at(e, 3)).with(3, at(e, 2))],
    ["doubled", (e) => e.toSpliced(3, 0, at(e, 2))],
    ["edited and rehashed", (e) => e.with(2, chainRecord(headAfter(at(e, 1)), record("log.read")))],
  ];
  for (const [, change] of changes) {
    expect(() => verifyChain(change(buildLog(5)))).toThrowError(
      expect.objectContaining({ code: "AUDIT_UNAVAILABLE" }),
    );
  }
});

/** Lists every file that importing `entry` loads, even when none of its exports is used. */
async function filesLoadedBy(entry: string): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: join(import.meta.dirname, ".."),
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
    conditions: ["sonde:source"],
  });
  return Object.keys(metafile.inputs);
}

test("the chain loads nothing of the Merkle log", async () => {
  const ofLog = (files: string[]) => files.filter((file) => file.startsWith("log/"));
  expect(ofLog(await filesLoadedBy("chain/index.ts"))).toEqual([]);
  expect(ofLog(await filesLoadedBy("log/index.ts"))).toContain("log/merkle.ts");
});
