import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type AuditEntry, type AuditRecord, buildAuditRecord } from "@sonde/schemas/audit";
import { type LogHead, decodeFrame, encodeBody } from "@sonde/schemas/wire";
import { EMPTY_HEAD, chainRecord, headAfter } from "@sonde/trust/chain";
import { createChannel, createSigningKey, keyIdOf } from "@sonde/trust/envelope";
import { segmentName } from "@sonde/trust/segments";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describeJudged, judgeAudit } from "./judge-audit.ts";
import { readLast } from "./read-audit.ts";

const AT = new Date("2026-01-01T00:00:00.000Z");
const hub = generateKeyPairSync("ed25519");
let data: string;
let audit: string;
let following: ChildProcess | null;

beforeEach(() => {
  data = mkdtempSync("/tmp/sonde-audit-command-");
  audit = join(data, "agent/audit");
  mkdirSync(audit, { recursive: true });
  following = null;
});
afterEach(() => {
  following?.kill();
  rmSync(data, { recursive: true });
});

function words(args: string[]): string[] {
  const program = join(import.meta.dirname, "../sonde.ts");
  return ["--conditions=sonde:source", program, "agent", "audit", ...args, "--data", data];
}

function run(...args: string[]) {
  const { stdout, stderr, status } = spawnSync(process.execPath, words(args), {
    encoding: "utf8",
    env: { PATH: "/usr/bin:/bin" },
  });
  return { stdout, stderr, status };
}

/** Appends entries to the segment that begins with entry `segment`. */
function append(from: LogHead, segment: number, records: AuditRecord[]): AuditEntry[] {
  let head = from;
  return records.map((record) => {
    const entry = chainRecord(head, record);
    appendFileSync(join(audit, segmentName(segment)), `${JSON.stringify(entry)}\n`);
    head = headAfter(entry);
    return entry;
  });
}

const describe = () => describeJudged(judgeAudit(audit));
const call = (index: number, known: Partial<AuditRecord> = {}) =>
  buildAuditRecord(AT, "call.request", {
    ...{ principal: "key:1", probe: "system.overview", detail: { index } },
    ...known,
  });
const endOf = (entries: AuditEntry[]) => headAfter(entries.at(-1) as AuditEntry);

function attest(peerHead: LogHead, key = hub): void {
  const channel = createChannel({
    ...{ side: "hub", hubId: randomUUID(), agentId: randomUUID(), sessionId: "s".repeat(43) },
    signer: createSigningKey(key.privateKey, key.publicKey),
    peerKey: key.publicKey,
    now: () => AT.getTime(),
  });
  const frame = channel.seal({ type: "desired-state", body: encodeBody({}), peerHead });
  const envelope = decodeFrame(frame, 16_384, "ENVELOPE_INVALID").head;
  const hubKey = hub.publicKey.export({ type: "spki", format: "pem" });
  writeFileSync(join(audit, "attested.json"), JSON.stringify({ hubKey, envelope }));
}

test("tail prints the newest entries, and more as they come, across segments", async () => {
  const first = append(EMPTY_HEAD, 1, [call(1), call(2), call(3)]);
  const child = spawn(process.execPath, words(["tail", "-n", "1", "--follow", "--json"]));
  following = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse(String((await lines.next()).value)) as AuditEntry;
  expect(await next()).toEqual(first[2]);
  const [fourth] = append(endOf(first), 1, [call(4)]);
  expect(await next()).toEqual(fourth);
  const [fifth] = append(headAfter(fourth as AuditEntry), 5, [call(5)]);
  expect(await next()).toEqual(fifth);
});

test("attack 38: what a hub put into an entry is shown by its number, not obeyed", () => {
  append(EMPTY_HEAD, 1, [call(1), call(2), call(3, { principal: "key:\u001b[2J\n9  forged" })]);
  const [second, third, ...more] = run("tail", "-n", "2").stdout.trimEnd().split("\n");
  expect(second).toBe(`2  ${AT.toISOString()}  call.request  info  system.overview  by key:1`);
  expect(third).toMatch(/^3 .* by key:\\u001b\[2J\\n9 {2}forged$/);
  expect(more).toEqual([]);
});

test("a log that has dropped entries says so, in tail and in verify", () => {
  const gone = append(EMPTY_HEAD, 1, [call(1), call(2)]);
  const detail = { head: endOf(gone), from: AT.toISOString(), until: AT.toISOString() };
  append(endOf(gone), 3, [
    call(3),
    buildAuditRecord(AT, "log.dropped", { detail: { ...detail, because: "age", bytes: 99 } }),
  ]);
  rmSync(join(audit, segmentName(1)));
  const shown = run("tail").stdout;
  expect(shown).toMatch(/^The log begins with entry 3: the agent keeps none before it\./);
  expect(shown).toMatch(/\n4 .* Entries up to 2, from 2026.* were dropped: the log was older/);
  expect(describe()).toMatch(/^Entries up to 2, .*\nEntries 3 to 4 follow one another\./);
});

test("attack 59: verify never calls a log good whose end nobody attests", () => {
  const entries = append(EMPTY_HEAD, 1, [call(1), call(2), call(3)]);
  expect(describe()).toMatch(
    /\nUnattested tail of 3: the chain is whole, and nothing outside of this host attests its end/,
  );

  attest(headAfter(entries[1] as AuditEntry));
  const keyId = keyIdOf(hub.publicKey);
  expect(describe()).toContain(
    `The hub confirmed the entries up to 2 at ${AT.toISOString()}, with the key ${keyId}.\nUnattested tail of 1:`,
  );
  attest(endOf(entries));
  expect(describe()).not.toContain("Unattested");
  expect(judgeAudit(audit)).toMatchObject({
    ...{ whole: true, entries: 3, first: 1, bad: null, unattested: 0, tornBytes: 0 },
    attested: { head: endOf(entries), keyId },
  });

  attest(endOf(entries), generateKeyPairSync("ed25519"));
  expect(describe()).toMatch(/Unattested tail of 3: .*attested.json does not count/);
});

test("attack 59: a log that the hub has seen longer, or otherwise, is broken", () => {
  const entries = append(EMPTY_HEAD, 1, [call(1), call(2), call(3)]);
  attest(endOf(entries));
  const path = join(audit, segmentName(1));
  const whole = readFileSync(path, "utf8");
  writeFileSync(path, `${whole.split("\n").slice(0, 2).join("\n")}\n`);
  expect(describe()).toMatch(/^BROKEN at the end of the log: the hub has seen entry 3: newer/);
  rmSync(path);
  append(EMPTY_HEAD, 1, [call(1), call(2), call(4), call(5)]);
  expect(describe()).toMatch(/^BROKEN .* the hub has seen another entry 3/);
});

test("attack 59: the first bad entry is named with what it proves", () => {
  append(EMPTY_HEAD, 1, [call(1), call(2), call(3)]);
  const path = join(audit, segmentName(1));
  writeFileSync(path, readFileSync(path, "utf8").replace('"index":2', '"index":7'));
  const { stdout, status } = run("verify");
  expect(status).toBe(1);
  expect(stdout).toMatch(/^BROKEN at 0{19}1\.jsonl line 2: expected entry 2 .* it was changed\.\n/);
  expect(stdout).toContain("Entries 1 to 1 follow one another.");
  expect(judgeAudit(audit)).toMatchObject({ whole: false, bad: { line: 2 } });
});

test("no log is an error, and an empty one is told", () => {
  writeFileSync(join(audit, segmentName(1)), "");
  expect(readLast(audit, 5).before).toBe("The log is empty: this agent has written no entry.");
  expect(describe()).toMatch(/^The log has no entry\.\nUnattested tail of 0:/);
  rmSync(audit, { recursive: true });
  const { stderr, status } = run("verify");
  expect(status).toBe(1);
  expect(stderr).toMatch(/^NOT_FOUND: .*agent\/audit: expected the audit log of an agent/);
  expect(run("tail", "-n", "0").stderr).toMatch(/^BAD_REQUEST: expected --last 1 to 100000/);
});
