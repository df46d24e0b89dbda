import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AuditEntry, type DroppedEntries, buildAuditRecord } from "@sonde/schemas/audit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EMPTY_HEAD, chainRecord, headAfter } from "../chain/index.ts";
import { segmentName } from "./segment-files.ts";
import { verifySegments } from "./verify-segments.ts";

/** Entries in each segment. */
const LENGTH = 4;
const AT = "2026-01-01T00:00:00.000Z";
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-segments-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const pathOf = (seq: number) => join(folder, segmentName(seq));
const lineOf = (entry: AuditEntry) => `${JSON.stringify(entry)}\n`;

/** Writes a log of `count` entries, of which some say that others were dropped. */
function writeLog(
  count: number,
  claims: Map<number, (entries: AuditEntry[]) => Partial<DroppedEntries>> = new Map(),
): AuditEntry[] {
  const entries: AuditEntry[] = [];
  for (let seq = 1; seq <= count; seq += 1) {
    const last = entries.at(-1);
    const head = last === undefined ? EMPTY_HEAD : headAfter(last);
    const claim = claims.get(seq)?.(entries);
    const detail =
      claim === undefined
        ? { index: seq }
        : { head, from: AT, until: AT, because: "age", bytes: 1, ...claim };
    const event = claim === undefined ? "log.opened" : "log.dropped";
    const entry = chainRecord(head, buildAuditRecord(new Date(AT), event, { detail }));
    entries.push(entry);
    appendFileSync(pathOf(seq - ((seq - 1) % LENGTH)), lineOf(entry));
  }
  return entries;
}

const headOf = (size: number) => (entries: AuditEntry[]) => ({
  head: headAfter(entries[size - 1] as AuditEntry),
});

test("a whole log verifies to its last entry, with the hashes that were asked for", () => {
  const entries = writeLog(10);
  expect(verifySegments(folder, [7, 99])).toEqual({
    ...{ first: 1, head: headAfter(entries[9] as AuditEntry), dropped: null, bad: null },
    ...{ tornBytes: 0, hashes: new Map([[7, entries[6]?.hash]]) },
  });
});

const changes: [string, number | null, RegExp, () => void][] = [
  [
    "edited",
    2,
    /entry 6 as it was written.*it was changed/,
    () => replaceIn(5, '"index":6', '"index":7'),
  ],
  [
    "no entry any more",
    2,
    /entry 6, got a line that is none/,
    () => replaceIn(5, '"seq":6', '"sex":6'),
  ],
  [
    "deleted",
    2,
    /entry 6, got entry 7: entries were removed/,
    () => editLines(5, (l) => l.toSpliced(1, 1)),
  ],
  [
    "doubled",
    3,
    /entry 7, got entry 6/,
    () => editLines(5, (l) => l.toSpliced(1, 0, l[1] as string)),
  ],
  [
    "written again with a hash of its own",
    3,
    /entry 7 to follow the one before it/,
    () =>
      editLines(5, (lines) => {
        const before = JSON.parse(lines[0] as string) as AuditEntry;
        const { record } = JSON.parse(lines[1] as string) as AuditEntry;
        const forged = chainRecord(headAfter(before), { ...record, event: "log.read" });
        return lines.with(1, JSON.stringify(forged));
      }),
  ],
];

test.each(changes)(
  "attack 59: an entry that was %s is named with what that proves",
  (...change) => {
    const [, line, proves, damage] = change;
    writeLog(10);
    damage();
    const { bad, head } = verifySegments(folder);
    expect(bad).toMatchObject({ segment: segmentName(5), line });
    expect(bad?.proves).toMatch(proves);
    expect(head.size).toBe(4 + (line ?? 1) - 1);
  },
);

test("attack 59: a missing, a renamed and a cut segment are named", () => {
  writeLog(10);
  const saved = readFileSync(pathOf(5), "utf8");
  rmSync(pathOf(5));
  expect(verifySegments(folder).bad).toMatchObject({ segment: segmentName(9), line: 1 });
  writeFileSync(pathOf(5), saved.slice(0, -7));
  expect(verifySegments(folder).bad).toMatchObject({
    ...{ segment: segmentName(9), line: null },
    proves: expect.stringContaining("was cut") as string,
  });
  writeFileSync(pathOf(5), saved);
  renameSync(pathOf(9), pathOf(8));
  expect(verifySegments(folder).bad?.proves).toMatch(/a file was renamed/);
});

test("attack 59: a first segment that nobody said was dropped is missed", () => {
  writeLog(10);
  rmSync(pathOf(1));
  expect(verifySegments(folder)).toMatchObject({
    ...{ first: 5, dropped: null },
    bad: {
      segment: segmentName(5),
      line: null,
      proves: expect.stringMatching(/before 5 are missing/),
    },
  });
});

test("what was dropped is told, also when a crash kept some of it", () => {
  writeLog(14, new Map([[13, headOf(8)]]));
  const dropped = { head: { size: 8 }, because: "age" };
  rmSync(pathOf(1));
  expect(verifySegments(folder)).toMatchObject({ first: 5, dropped, bad: null });
  rmSync(pathOf(5));
  expect(verifySegments(folder)).toMatchObject({ first: 9, dropped, bad: null });
  rmSync(pathOf(9));
  expect(verifySegments(folder).bad?.proves).toMatch(/before 13 are missing/);
});

test("attack 59: entries that replace those before a dropped part are noticed", () => {
  writeLog(14, new Map([[13, () => ({ head: { size: 8, hash: EMPTY_HEAD.hash } })]]));
  rmSync(pathOf(1));
  expect(verifySegments(folder).bad).toMatchObject({ segment: segmentName(13), line: 1 });
  rmSync(pathOf(5));
  expect(verifySegments(folder).bad?.proves).toMatch(/stood before it was replaced/);
});

test("half a line at the end is no fault: it is being written", () => {
  writeLog(10);
  appendFileSync(pathOf(9), '{"seq":11');
  expect(verifySegments(folder)).toMatchObject({ bad: null, tornBytes: 9, head: { size: 10 } });
});

test("what is no log is refused: no folder, no segment, a link, a pipe, an endless line", () => {
  const refuse = (code: string) =>
    expect(() => verifySegments(folder)).toThrowError(expect.objectContaining({ code }));
  refuse("NOT_FOUND");
  symlinkSync("/etc/hostname", pathOf(1));
  refuse("ELOOP");
  rmSync(pathOf(1));
  expect(spawnSync("mkfifo", [pathOf(1)]).status).toBe(0);
  refuse("AUDIT_UNAVAILABLE");
  rmSync(pathOf(1));
  writeFileSync(pathOf(1), Buffer.alloc(3 * 2 ** 20, "x"));
  refuse("AUDIT_UNAVAILABLE");
  rmSync(folder, { recursive: true });
  refuse("NOT_FOUND");
});

function replaceIn(seq: number, from: string, to: string): void {
  editLines(seq, (lines) => lines.map((line) => line.replace(from, to)));
}

function editLines(seq: number, edit: (lines: string[]) => string[]): void {
  const lines = readFileSync(pathOf(seq), "utf8").trimEnd().split("\n");
  writeFileSync(pathOf(seq), `${edit(lines).join("\n")}\n`);
}
