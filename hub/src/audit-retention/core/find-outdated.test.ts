import { MAX_KEPT_RANGES } from "@sonde/schemas/audit";
import { firstOf, lastOf } from "@sonde/trust/hub-log";
import { expect, test } from "vitest";
import type { Segment } from "../../audit/index.ts";
import { findOutdated, type Limits, MAX_TOGETHER } from "./find-outdated.ts";

const DAY_MS = 24 * 3_600_000;
const NOW = new Date("2026-06-30T00:00:00.000Z");
const daysAgo = (days: number) => new Date(NOW.getTime() - days * DAY_MS);

/** Segments of a day each, the newest of today, of 100 bytes. */
function build(count: number): Segment[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ index, bytes: 100, firstAt: daysAgo(count - index), lastAt: daysAgo(count - index - 1) },
  }));
}

type Known = Parameters<typeof findOutdated>[2];
const none = () => Promise.resolve(false);
const KNOWN: Known = {
  ...{ now: NOW, signed: Infinity, lastDropped: -1, sinks: [], isHeld: none, isOpen: none },
};
async function indexes(limits: Partial<Limits>, known: Partial<Known> = {}, of = build(10)) {
  const found = await findOutdated(
    of,
    { maxDays: null, maxBytes: null, ...limits },
    { ...KNOWN, ...known },
  );
  return found?.segments.map(({ index }) => index) ?? null;
}

test("a segment goes when all of it is older than so many days", async () => {
  // The last entry of segment n is 9 - n days old.
  expect(await indexes({ maxDays: 30 })).toBeNull();
  expect(await indexes({ maxDays: 9 })).toBeNull();
  expect(await indexes({ maxDays: 8 })).toEqual([0]);
  expect(await indexes({ maxDays: 5 })).toEqual([0, 1, 2, 3]);
});

test("the oldest segments go until the others have no more than so many bytes", async () => {
  expect(await indexes({ maxBytes: 1_000 })).toBeNull();
  expect(await indexes({ maxBytes: 999 })).toEqual([0]);
  expect(await indexes({ maxBytes: 650 })).toEqual([0, 1, 2, 3]);
  expect(await indexes({ maxDays: 8, maxBytes: 850 })).toEqual([0, 1]);
});

test("nothing of the last day goes, however small the limit", async () => {
  expect(await indexes({ maxBytes: 1 })).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(await indexes({ maxDays: 1 })).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  const young = build(4).map((segment) => ({ ...segment, lastAt: daysAgo(0.9) }));
  expect(await indexes({ maxBytes: 1 }, {}, young)).toBeNull();
});

test("the newest segment stays, since it has not all of its entries", async () => {
  const old = build(3).map((one) => ({ ...one, lastAt: daysAgo(200), firstAt: daysAgo(201) }));
  expect(await indexes({ maxDays: 100 }, {}, old)).toEqual([0, 1]);
});

test("a segment goes only when a checkpoint has all of it", async () => {
  expect(await indexes({ maxDays: 5 }, { signed: lastOf(1) })).toEqual([0, 1]);
  expect(await indexes({ maxDays: 5 }, { signed: lastOf(1) - 1 })).toEqual([0]);
  expect(await indexes({ maxDays: 5 }, { signed: 0 })).toBeNull();
});

test("what is on hold stays and is named, and makes no other content go", async () => {
  const isHeld = ({ index }: Segment) => Promise.resolve([1, 2, 5].includes(index));
  const found = await findOutdated(build(10), { maxDays: 3, maxBytes: null }, { ...KNOWN, isHeld });
  expect(found?.segments.map(({ index }) => index)).toEqual([0, 3, 4]);
  expect(found?.kept).toEqual([{ from: firstOf(1), to: lastOf(2) }]);
  // Without the three on hold the others have 700 bytes.
  const first = ({ index }: Segment) => Promise.resolve(index < 3);
  expect(await indexes({ maxBytes: 700 }, { isHeld: first })).toBeNull();
  expect(await indexes({ maxBytes: 600 }, { isHeld: first })).toEqual([3]);
});

test("what goes later than what follows it is said together with that", async () => {
  // Of ten segments, the first three were on hold, and the next two were dropped.
  const present = build(10).filter(({ index }) => index !== 3 && index !== 4);
  const isHeld = ({ index }: Segment) => Promise.resolve(index === 0 || index === 2);
  const known = { ...KNOWN, isHeld, lastDropped: 4 };
  const found = await findOutdated(present, { maxDays: 5, maxBytes: null }, known);
  expect(found).toMatchObject({ segments: [{ index: 1 }], last: 4 });
  expect(found?.kept).toEqual([
    { from: firstOf(0), to: lastOf(0) },
    { from: firstOf(2), to: lastOf(2) },
  ]);
});

test("no more ranges stay between what goes than a record can name", async () => {
  const count = 2 * MAX_KEPT_RANGES + 40;
  const isHeld = ({ index }: Segment) => Promise.resolve(index % 2 === 0);
  // All but the last ones of those that are not on hold are gone already.
  const present = build(count).filter(
    ({ index }) => index % 2 === 0 || index > 2 * MAX_KEPT_RANGES - 6,
  );
  const found = await findOutdated(present, { maxDays: 3, maxBytes: null }, { ...KNOWN, isHeld });
  expect(found?.segments.at(-1)?.index).toBe(2 * MAX_KEPT_RANGES - 1);
  expect(found?.kept).toHaveLength(MAX_KEPT_RANGES);
});

test("a segment in which a call is open waits, and so does all that follows", async () => {
  const isOpen = ({ index }: Segment) => Promise.resolve(index === 2);
  expect(await indexes({ maxDays: 3 }, { isOpen })).toEqual([0, 1]);
});

test("a sink that has not delivered a segment is waited for", async () => {
  const sink = (seq: number, failingSince: Date | null = null) => ({ seq, failingSince });
  const wait = (...sinks: Known["sinks"]) => indexes({ maxDays: 5 }, { sinks });
  expect(await wait(sink(lastOf(9)))).toEqual([0, 1, 2, 3]);
  expect(await wait(sink(lastOf(1)), sink(lastOf(9)))).toEqual([0, 1]);
  expect(await wait(sink(lastOf(1) - 1))).toEqual([0]);
  // It fails, and not for as long as content is kept.
  expect(await wait(sink(lastOf(1), daysAgo(4)))).toEqual([0, 1]);
  expect(await wait(sink(lastOf(1), daysAgo(6)))).toEqual([0, 1, 2, 3]);
  // By size: whether it was failing when the first entry that stays was written, 9 days ago.
  const bySize = (failingSince: Date) =>
    indexes({ maxBytes: 800 }, { sinks: [sink(0, failingSince)] });
  expect(await bySize(daysAgo(8.5))).toBeNull();
  expect(await bySize(daysAgo(9.5))).toEqual([0, 1]);
});

test("few segments go with one record", async () => {
  expect(await indexes({ maxDays: 1 }, {}, build(100))).toHaveLength(MAX_TOGETHER);
});
