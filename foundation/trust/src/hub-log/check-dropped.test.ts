import {
  buildAuditRecord,
  type ChainEntry,
  type DroppedSegments,
  MAX_KEPT_RANGES,
} from "@sonde/schemas/audit";
import { expect, test } from "vitest";
import { chainRecord, EMPTY_HEAD, headAfter } from "../chain/chain.ts";
import { createGrowingTree } from "./growing-tree.ts";
import { hubLogLeaf } from "./hub-log.ts";
import { createDroppedCheck, type DroppedVerdict } from "./check-dropped.ts";
import { firstOf, lastOf, LOG_SEGMENT, segmentOf } from "./log-segments.ts";

// A log of four segments with content, and an entry log.dropped after them.
const OLD = new Date("2026-01-02T03:04:05.000Z");
const UNTIL = "2026-01-02T03:05:00.000Z";
const LATER = new Date("2026-03-01T00:00:00.000Z");
const SEGMENTS = 4;
/** A checkpoint of some entries that came after the dropped ones. */
const SIGNED = lastOf(2) + 100;

function rootOf(entries: readonly ChainEntry[]): string {
  const tree = createGrowingTree();
  for (const { hash } of entries) tree.append(hubLogLeaf(hash));
  return tree.rootAt(entries.length)?.toString("base64") ?? "";
}

function write(change: (said: DroppedSegments) => object = (said) => said, at = LATER) {
  const entries: ChainEntry[] = [];
  let head = EMPTY_HEAD;
  const add = (record: Parameters<typeof chainRecord>[1]) => {
    const entry = chainRecord(head, record);
    head = headAfter(entry);
    entries.push(entry);
  };
  for (let seq = 1; seq <= lastOf(SEGMENTS - 1); seq++) add(buildAuditRecord(OLD, "log.read", {}));
  const end = entries[lastOf(2) - 1];
  const said: DroppedSegments = {
    head: { size: lastOf(2), hash: end?.hash ?? "" },
    kept: [{ from: firstOf(1), to: lastOf(1) }],
    ...{ from: OLD.toISOString(), until: UNTIL, because: "age", bytes: 1 },
    checkpoint: { size: SIGNED, root: rootOf(entries.slice(0, SIGNED)) },
  };
  add(buildAuditRecord(at, "log.dropped", { detail: { ...change(said) } }));
  return entries;
}

/** The log without the content of these entries. */
const without = (entries: ChainEntry[], isGone: (seq: number) => boolean): ChainEntry[] =>
  entries.map(({ seq, previous, hash, ...rest }) =>
    isGone(seq) ? { seq, previous, hash, dropped: true } : { seq, previous, hash, ...rest },
  );
const segment =
  (...wanted: number[]) =>
  (seq: number) =>
    wanted.includes(segmentOf(seq));

function check(entries: readonly ChainEntry[]) {
  const tree = createGrowingTree();
  const dropped = createDroppedCheck(tree);
  for (const entry of entries) {
    const bad = dropped.see(entry);
    if (bad !== null) return bad;
    tree.append(hubLogLeaf(entry.hash));
  }
  return dropped.end();
}

const whole = write();
const CLAIM = whole.length;

test("segments are runs of 4096 entries, the first one less", () => {
  expect([firstOf(0), lastOf(0), firstOf(1), lastOf(1)]).toEqual([1, 4_095, 4_096, 8_191]);
  expect([1, 4_095, 4_096, 8_191, 8_192].map(segmentOf)).toEqual([0, 0, 1, 1, 2]);
});

test("a log that has all content is not said to lack any, also when it says so itself", () => {
  expect(check(whole)).toBeNull();
});

test("what was dropped as the log says is told, with the entry that says so", () => {
  const verdict: DroppedVerdict = {
    ...{ entries: 2 * LOG_SEGMENT - 1, to: lastOf(2), until: UNTIL, saidBy: CLAIM },
  };
  expect(check(without(whole, segment(0, 2)))).toEqual(verdict);
  // The hub ended before it had dropped all.
  expect(check(without(whole, segment(0)))).toEqual({ ...verdict, entries: 4_095, to: 4_095 });
});

test("a segment that goes while it is read lacks its end, which counts as dropped", () => {
  const isGone = (seq: number) => seq > 4_000 && seq <= 4_095;
  expect(check(without(whole, isGone))).toMatchObject({ entries: 95, to: 4_095, saidBy: CLAIM });
  const later = (seq: number) => segmentOf(seq) === 0 || (segmentOf(seq) === 2 && seq % 4_096 > 9);
  expect(check(without(whole, later))).toMatchObject({ to: lastOf(2), saidBy: CLAIM });
  // Only where an entry speaks for it.
  expect(check(without(whole, isGone).slice(0, -1))).toMatchObject({ seq: 4_001 });
  expect(check(without(whole, (seq) => seq > firstOf(3) + 9 && seq < CLAIM))).toMatchObject({
    proves: expect.stringMatching(/no entry log.dropped speaks for them/),
  });
});

test("attack 59: content that no entry speaks for was removed", () => {
  const silent = without(whole, segment(0)).slice(0, -1);
  expect(check(silent)).toMatchObject({ seq: 1, proves: expect.stringMatching(/1 to 4095 have/) });
  // After the last one that is said to go.
  expect(check(without(whole, segment(0, 3)))).toMatchObject({ seq: firstOf(3) });
  expect(check(without(whole, segment(2, 3)))).toMatchObject({ seq: firstOf(3) });
});

test("attack 59: content that is said to stay was removed", () => {
  expect(check(without(whole, segment(1)))).toMatchObject({ seq: firstOf(1) });
  expect(check(without(whole, segment(0, 1, 2)))).toMatchObject({ seq: firstOf(1) });
});

test.each([
  ["one entry", (seq: number) => seq === 700, 700],
  ["the first ones of a segment", (seq: number) => seq >= 4_096 && seq < 5_000, 4_999],
])("attack 59: the content of %s is not dropped by a hub", (_what, isGone, seq) => {
  expect(check(without(whole, isGone))).toMatchObject({
    ...{ seq, proves: expect.stringMatching(/part of a segment/) },
  });
});

test.each<[string, (said: DroppedSegments) => object, RegExp]>([
  ["nothing", () => ({}), /not which/],
  [
    "another last entry",
    (said) => ({ ...said, head: { ...said.head, hash: EMPTY_HEAD.hash } }),
    /end of a segment/,
  ],
  [
    "a last entry within a segment",
    (said) => ({ ...said, head: { ...said.head, size: 700 } }),
    /end of a segment/,
  ],
  [
    "a checkpoint of fewer entries",
    (said) => ({ ...said, checkpoint: { ...said.checkpoint, size: lastOf(2) - 1 } }),
    /checkpoint of/,
  ],
  [
    "a checkpoint of itself",
    (said) => ({ ...said, checkpoint: { ...said.checkpoint, size: CLAIM } }),
    /checkpoint of/,
  ],
  [
    "a checkpoint of another log",
    (said) => ({ ...said, checkpoint: { ...said.checkpoint, size: SIGNED + 1 } }),
    /another root/,
  ],
  [
    "entries of the same day",
    (said) => ({ ...said, until: new Date(LATER.getTime() - 80_000_000).toISOString() }),
    /less than a day/,
  ],
])("attack 59: a record that speaks of %s is forged", (_what, change, proves) => {
  const entries = without(write(change), segment(0));
  expect(check(entries)).toMatchObject({ seq: CLAIM, proves: expect.stringMatching(proves) });
});

test("more runs than a record can name end the check, so that it stays small", () => {
  const { hash } = EMPTY_HEAD;
  const record = buildAuditRecord(OLD, "log.read", {});
  const dropped = createDroppedCheck({ rootAt: () => null });
  let bad = null;
  for (let index = 0; bad === null && index < 2 * (MAX_KEPT_RANGES + 3); index++) {
    for (let seq = firstOf(index); bad === null && seq <= lastOf(index); seq++) {
      bad = dropped.see(
        index % 2 === 0
          ? { seq, previous: hash, hash, dropped: true }
          : { seq, previous: hash, hash, record },
      );
    }
  }
  expect(bad).toMatchObject({ seq: firstOf(2 * (MAX_KEPT_RANGES + 1)) });
});
