import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AuditEntry, type AuditRecord, buildAuditRecord } from "@sonde/schemas/audit";
import { toSondeError } from "@sonde/schemas/errors";
import { chainRecord, EMPTY_HEAD, headAfter } from "@sonde/trust/chain";
import { hubLogLeaf } from "@sonde/trust/hub-log";
import { appendLeaf, EMPTY_FRONTIER, rootOf } from "@sonde/trust/log";
import { attestTree } from "@sonde/trust/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkPieces, type Threads } from "./check-pieces.ts";
import { readPieces } from "./read-lines.ts";
import { verifyExport } from "./verify-export.ts";

const COUNT = 600;
/** A piece has some fifty entries then. */
const CHUNK = 32 * 1024;
const ALONE: Partial<Threads> = { count: 0 };
const TOGETHER: Partial<Threads> = { count: 2, aloneBytes: 0 };
const MEBIBYTE = 1024 * 1024;

const folder = mkdtempSync(join(tmpdir(), "sonde-verify-export-"));
afterAll(() => rmSync(folder, { recursive: true }));

function buildLog(count: number): AuditEntry[] {
  const entries: AuditEntry[] = [];
  let head = EMPTY_HEAD;
  for (let index = 0; index < count; index++) {
    const callId = `0f3c2a1b-0f3c-4a1b-8f3c-${String(index).padStart(12, "0")}`;
    const known = { callId, agent: `web-${index % 3}`, detail: { index, word: "caf\u00e9" } };
    const entry = chainRecord(head, buildAuditRecord(new Date(0), "call.request", known));
    entries.push(entry);
    head = headAfter(entry);
  }
  return entries;
}
const log = buildLog(COUNT);
const at = (seq: number) => log[seq - 1] as AuditEntry;
const changed = (seq: number): AuditEntry => ({
  ...at(seq),
  record: { ...at(seq).record, status: "failure" },
});
const last = JSON.stringify({
  ...{ complete: true, searched: { from: 1, to: COUNT }, entries: COUNT, filters: {} },
  head: headAfter(at(COUNT)),
});
let proof = "";
beforeAll(async () => {
  let frontier = EMPTY_FRONTIER;
  for (const { hash } of log) frontier = appendLeaf(frontier, hubLogLeaf(hash));
  const attestation = await attestTree({ size: COUNT, root: rootOf(frontier) });
  proof = JSON.stringify({ attestation });
});

type Line = string | object | Buffer;
const whole = (entries: readonly Line[] = log): Line[] => [proof, ...entries, last];

function toBytes(lines: readonly Line[]): Buffer {
  const parts = lines.map((line) => {
    if (Buffer.isBuffer(line)) return line;
    return Buffer.from(typeof line === "string" ? line : JSON.stringify(line));
  });
  return Buffer.concat(parts.flatMap((part) => [part, Buffer.from("\n")]));
}

async function* inChunks(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let from = 0; from < bytes.length; from += CHUNK) {
    yield await Promise.resolve(bytes.subarray(from, from + CHUNK));
  }
}

type AgentLogs = Parameters<typeof verifyExport>[1]["agentLogs"];
async function verify(bytes: Buffer, threads: Partial<Threads>, agentLogs: AgentLogs = []) {
  const known = { fingerprint: undefined, witnessKeys: [], agentLogs };
  return await verifyExport(inChunks(bytes), known, () => undefined, threads);
}

/** What is said with and without threads, which must be the same. */
async function judge(bytes: Buffer, agentLogs: AgentLogs = []) {
  const say = (threads: Partial<Threads>) =>
    verify(bytes, threads, agentLogs).catch((thrown: unknown) => toSondeError(thrown).toBody());
  const alone = await say(ALONE);
  expect(await say(TOGETHER)).toEqual(alone);
  return alone;
}

/** The entries with which pieces begin, but the first one. */
async function beginnings(): Promise<number[]> {
  const found: number[] = [];
  const pieces = readPieces(inChunks(toBytes(whole())));
  for await (const { seen } of checkPieces(pieces, new Set(), ALONE)) {
    // The first piece begins with the proof.
    found.push(...[...seen.values()].slice(0, 1).map(({ seq }) => seq));
  }
  return found;
}

test("a whole log is verified, by threads as without them", async () => {
  const verdict = await judge(toBytes(whole()));
  expect(verdict).toMatchObject({ bad: null, signed: { size: COUNT }, head: headAfter(at(COUNT)) });
});

// Attack 59.
describe("a log with a bad entry is named by its first one, by threads as without them:", () => {
  const named = async (entries: readonly Line[]) => {
    const verdict = await judge(toBytes(whole(entries)));
    return "bad" in verdict ? [verdict.bad?.seq, verdict.head.size] : verdict;
  };

  test("changed, or missing, at the edges of pieces and within", async () => {
    const [one = 0, two = 0, ...more] = await beginnings();
    expect(more.length).toBeGreaterThan(3);
    for (const seq of [1, one - 1, one, one + 1, two - 1, more.at(-1) ?? 0, COUNT]) {
      expect(await named(log.with(seq - 1, changed(seq)))).toEqual([seq, seq - 1]);
      expect(await named(log.toSpliced(seq - 1, 1))).toEqual([seq, seq - 1]);
    }
  });

  test("doubled, moved or put there, at the edge of a piece", async () => {
    const [edge = 0] = await beginnings();
    for (const seq of [edge - 1, edge]) {
      expect(await named(log.toSpliced(seq, 0, at(seq)))).toEqual([seq + 1, seq]);
      const moved = log.with(seq - 1, at(seq + 1)).with(seq, at(seq));
      expect(await named(moved)).toEqual([seq, seq - 1]);
      const forged = chainRecord({ size: seq - 1, hash: at(seq).previous }, changed(seq).record);
      // It follows, and the one after it does not.
      expect(await named(log.with(seq - 1, forged))).toEqual([seq + 1, seq]);
    }
  });

  test("the earlier of two, whatever the other one is and where the export ends", async () => {
    for (const [first, second] of [
      [100, 101],
      [5, 590],
    ] as const) {
      const twice = log.with(second - 1, changed(second)).with(first - 1, changed(first));
      expect(await named(twice)).toEqual([first, first - 1]);
      const broken: Line[] = [...log.slice(0, second), "{", ...log.slice(second)];
      expect(await named(broken.with(first - 1, changed(first)))).toEqual([first, first - 1]);
      const cut = toBytes([proof, ...log.with(first - 1, changed(first))]).subarray(0, -10);
      expect(await judge(cut)).toMatchObject({ bad: { seq: first } });
    }
  });
});

describe("what is no export says so, by threads as without them:", () => {
  const UNAVAILABLE = "AUDIT_UNAVAILABLE";
  const said = (code: string, words: RegExp) => ({
    error: { code, message: expect.stringMatching(words) },
  });
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  const text = (seq: number) => JSON.stringify(at(seq));
  const notUtf8 = (seq: number) => {
    const bytes = Buffer.from(text(seq));
    bytes[bytes.indexOf("\u00e9")] = 0xff;
    return bytes;
  };
  test.each<[string, (seq: number) => Line, RegExp]>([
    ["no JSON", (seq) => text(seq).slice(0, -1), /expected JSON in UTF-8/],
    ["empty", () => "", /expected JSON in UTF-8/],
    ["not UTF-8", notUtf8, /expected JSON in UTF-8/],
    ["no entry", () => ({ seq: "1" }), /line of an audit export/],
    ["deep", () => deep, /at most 256 levels/],
    ["deep in an entry", (seq) => text(seq).replace('"caf\u00e9"', deep), /at most 256 levels/],
    ["ambiguous", (seq) => text(seq).replace("{", `{"seq":${seq},`), /got "seq" twice/],
    ["an entry of megabytes too much", () => ({ seq: "x".repeat(5 * MEBIBYTE) }), /audit export/],
    ["the last one, before others", () => last, /expected no line after the last one/],
  ])("a line that is %s", async (_what, line, words) => {
    for (const seq of [1, 300, COUNT]) {
      const bytes = toBytes(whole(log.map((entry) => (entry.seq === seq ? line(seq) : entry))));
      expect(await judge(bytes)).toMatchObject(said(UNAVAILABLE, words));
    }
  });

  test("a line that is longer than any", async () => {
    const long = JSON.stringify("x".repeat(32 * MEBIBYTE));
    expect(await judge(toBytes(whole([...log.slice(0, 300), long])))).toMatchObject(
      said(UNAVAILABLE, /lines of at most/),
    );
  });

  test("one that ends in a line, or before its last one, or goes on after it", async () => {
    const bytes = toBytes(whole());
    expect(await judge(bytes.subarray(0, -1))).toMatchObject(said(UNAVAILABLE, /not whole/));
    const cut = toBytes([proof, ...log]);
    expect(await judge(cut)).toMatchObject(said(UNAVAILABLE, /ended before its last line/));
    for (const more of [at(1), last, "", "x".repeat(CHUNK)]) {
      expect(await judge(toBytes([...whole(), more]))).toMatchObject(
        said(UNAVAILABLE, /no line after the last/),
      );
    }
  });

  test("one of which the reading fails", async () => {
    const failing = async function* () {
      yield* inChunks(toBytes([proof, ...log]));
      throw new Error("the hub went away");
    };
    for (const threads of [ALONE, TOGETHER]) {
      const known = { fingerprint: undefined, witnessKeys: [], agentLogs: [] };
      await expect(verifyExport(failing(), known, () => undefined, threads)).rejects.toThrow(
        "the hub went away",
      );
    }
  });
});

test("an agent's log is compared with all entries of it, by threads as without them", async () => {
  const own = log.filter(({ record }) => record.agent === "web-1").map(({ record }) => record);
  const logOf = (records: readonly AuditRecord[]) => {
    const entries: AuditEntry[] = [];
    for (const record of records) {
      const before = entries.at(-1);
      entries.push(chainRecord(before === undefined ? EMPTY_HEAD : headAfter(before), record));
    }
    return [{ agent: "web-1", own: entries }];
  };
  expect(await judge(toBytes(whole()), logOf(own))).toMatchObject({ differences: [] });
  const callId = "0f3c2a1b-0f3c-4a1b-8f3c-999999999999";
  const told = own.map((record) => ({ ...record, principal: "key:2" }));
  const found = await judge(toBytes(whole()), logOf([...told, { ...at(1).record, callId }]));
  expect(found).toMatchObject({ bad: null });
  expect("differences" in found && found.differences.length).toBe(own.length + 1);
});

describe("a thread", () => {
  const program = (name: string, text: string): string => {
    const path = join(folder, `${name}.mjs`);
    writeFileSync(path, `import { parentPort } from "node:worker_threads";\n${text}`);
    return path;
  };
  test.each<[string, string, RegExp]>([
    ["does not start", join(folder, "missing.mjs"), /Cannot find module/],
    ["fails as it starts", program("failing", "throw new Error('no room')"), /failed: no room/],
    [
      "fails at a piece",
      program("dying", "parentPort.on('message', () => { throw new Error('out of luck'); });"),
      /failed: out of luck/,
    ],
    [
      "ends without a word",
      program("ending", "parentPort.on('message', () => process.exit(0));"),
      /ended with 0/,
    ],
  ])("that %s proves nothing: it is said, with a code", async (_what, path, why) => {
    await expect(verify(toBytes(whole()), { ...TOGETHER, program: path })).rejects.toMatchObject({
      ...{ code: "INTERNAL", message: expect.stringMatching(why) },
    });
  });

  test("that fails later proves nothing either", async () => {
    const source = (path: string) => JSON.stringify(join(import.meta.dirname, path));
    const later = program(
      "later",
      `import { checkStretch } from ${source("../../../foundation/trust/src/hub-log/index.ts")};
      import { splitLines } from ${source("read-lines.ts")};
      let count = 0;
      parentPort.on("message", (piece) => {
        count += 1;
        if (count === 3) throw new Error("out of luck");
        parentPort.postMessage(checkStretch(splitLines(piece), new Set()));
      });`,
    );
    const threads = { ...TOGETHER, program: later };
    await expect(verify(toBytes(whole()), threads)).rejects.toMatchObject({ code: "INTERNAL" });
  });

  test("that fails hides no bad entry before its pieces", async () => {
    const threads = { count: 2, aloneBytes: 2 * CHUNK, program: join(folder, "missing.mjs") };
    const bytes = toBytes(whole(log.with(4, changed(5))));
    expect(await verify(bytes, threads)).toMatchObject({ bad: { seq: 5 } });
  });

  test("starts only after what is checked without it", async () => {
    const missing = join(folder, "missing.mjs");
    const bytes = toBytes(whole());
    const enough = { count: 2, program: missing, aloneBytes: bytes.length };
    expect(await verify(bytes, enough)).toMatchObject({ bad: null });
    const tooFew = { ...enough, aloneBytes: bytes.length - proof.length - CHUNK };
    await expect(verify(bytes, tooFew)).rejects.toMatchObject({ code: "INTERNAL" });
  });
});

test("so many pieces are in memory as keep the threads busy, and no more", async () => {
  let given = 0;
  async function* many() {
    while (given < 60) {
      given += 1;
      const piece = new Uint8Array(MEBIBYTE);
      piece[MEBIBYTE - 1] = 0x0a;
      yield await Promise.resolve(piece);
    }
  }
  let taken = 0;
  for await (const { end } of checkPieces(many(), new Set(), { ...TOGETHER, count: 1 })) {
    expect(end.is).toBe("unreadable");
    // Four of them are in hand, and one waits.
    expect(given - taken).toBe(5);
    taken += 1;
    if (taken === 12) break;
  }
});
