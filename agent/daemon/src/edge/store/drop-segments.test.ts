import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type AuditRecord, buildAuditRecord } from "@sonde/schemas/audit";
import { listSegments, verifySegments } from "@sonde/trust/segments";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createAuditLog } from "../../core/audit-log.ts";
import { createConfirmedTime } from "../../core/confirmed-time.ts";
import { dropEntries } from "../../core/drop-entries.ts";
import { type AuditSegments, openAuditSegments } from "./audit-segments.ts";
import { type KeepLimits, dropSegments, findOutdated } from "./drop-segments.ts";

const DAY_MS = 24 * 60 * 60_000;
const BEGUN = Date.parse("2026-01-01T00:00:00.000Z");
const LIMITS = { bytes: 4 * 1024, ms: 40 * DAY_MS };
const KEEP: KeepLimits = { days: 400, bytes: 2 ** 30 };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-drop-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const recordOn = (day: number): AuditRecord =>
  buildAuditRecord(new Date(BEGUN + day * DAY_MS), "log.opened", { detail: { day } });

/** Opens the log, writes an entry for each day, and lets `work` go on with it. */
async function withLog(
  days: Iterable<number>,
  work: (log: ReturnType<typeof createAuditLog>) => Promise<unknown> = () => Promise.resolve(),
): Promise<void> {
  const segments: AuditSegments = openAuditSegments(folder, LIMITS);
  const log = createAuditLog(segments, segments.head);
  for (const day of days) await log.append(recordOn(day));
  await work(log);
  await segments.close();
}

function* daysFrom(first: number, last: number, step: number): Generator<number> {
  for (let day = first; day <= last; day += step) yield day;
}

function drop(log: ReturnType<typeof createAuditLog>, now: number | null, keep: KeepLimits = KEEP) {
  const archive = {
    findOutdated: (at: number | null) => findOutdated(folder, keep, at),
    drop: (upTo: number) => dropSegments(folder, upTo),
  };
  return dropEntries(log, archive, now, (detail) => ({
    ...recordOn(0),
    event: "log.dropped",
    detail,
  }));
}

test("what is older than it is kept goes, and the rest says so and verifies", async () => {
  await withLog(daysFrom(0, 600, 5), async (log) => {
    expect(await drop(log, BEGUN + 399 * DAY_MS)).toBeNull();
    const dropped = await drop(log, BEGUN + 600 * DAY_MS);
    expect(dropped).toMatchObject({ because: "age", from: recordOn(0).at });
    const { first, dropped: told, bad } = verifySegments(folder);
    expect({ told, bad, before: first - 1 }).toEqual({
      ...{ told: dropped, bad: null, before: dropped?.head.size },
    });
    // What stays begins less than a segment's time before day 200.
    const days = (Date.parse(dropped?.until ?? "") - BEGUN) / DAY_MS;
    expect(days).toBeGreaterThan(150);
    expect(days).toBeLessThanOrEqual(200);
    expect(await drop(log, BEGUN + 600 * DAY_MS)).toBeNull();
  });
  await withLog([601]);
  expect(verifySegments(folder).bad).toBeNull();
});

test("a quiet log is cut into segments by time, so that its old entries can go", async () => {
  await withLog(daysFrom(0, 500, 100));
  expect(listSegments(folder)).toHaveLength(6);
});

test("a log beyond its size loses its oldest entries", async () => {
  await withLog(daysFrom(0, 30, 0.1), async (log) => {
    const before = listSegments(folder).length;
    const dropped = await drop(log, null, { ...KEEP, bytes: 5 * LIMITS.bytes });
    expect(dropped).toMatchObject({ because: "size" });
    expect(listSegments(folder).length).toBeLessThanOrEqual(6);
    expect(dropped?.bytes).toBeGreaterThan((before - 7) * 0.8 * LIMITS.bytes);
    expect(verifySegments(folder)).toMatchObject({ bad: null, dropped });
  });
});

test("the newest two segments stay, however old and large they are", async () => {
  await withLog(daysFrom(0, 900, 100), async (log) => {
    await drop(log, BEGUN + 9000 * DAY_MS, { days: 1, bytes: 1 });
    expect(listSegments(folder)).toHaveLength(2);
  });
  await withLog([901]);
});

test("attack 59: no clock alone makes a log old", async () => {
  let host = BEGUN + 600 * DAY_MS;
  let clock = 0;
  const time = createConfirmedTime(
    () => host,
    () => clock,
  );
  expect(time.now()).toBeNull();
  time.heard(host);
  clock += DAY_MS;
  expect(time.now()).toBe(host);
  host += 10_000 * DAY_MS;
  expect(time.now()).toBe(BEGUN + 601 * DAY_MS);
  time.heard(host + 10_000 * DAY_MS);
  expect(time.now()).toBe(host);
  await withLog(daysFrom(0, 600, 5), async (log) => {
    expect(await drop(log, null)).toBeNull();
  });
});

test("on a full disk nothing is dropped that no entry could tell of", async () => {
  const disk = mkdtempSync(join(tmpdir(), "sonde-disk-"));
  const mount = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
  // Mounting needs root.
  if (mount.status !== 0) return rmSync(disk, { recursive: true });
  const real = folder;
  folder = join(disk, "audit");
  try {
    await withLog(daysFrom(0, 600, 10), async (log) => {
      const before = listSegments(folder);
      fillDisk(join(disk, "ballast"), () => log.note(recordOn(601)));
      await expect(drop(log, BEGUN + 600 * DAY_MS)).rejects.toMatchObject({
        code: "AUDIT_UNAVAILABLE",
      });
      expect(listSegments(folder)).toEqual(expect.arrayContaining(before));
      rmSync(join(disk, "ballast"));
      expect(await drop(log, BEGUN + 600 * DAY_MS)).toMatchObject({ because: "age" });
      expect(verifySegments(folder).bad).toBeNull();
    });
  } finally {
    folder = real;
    spawnSync("umount", ["--lazy", disk]);
    rmSync(disk, { recursive: true, force: true });
  }
});

/** Fills the disk, and what is left of the log's own last block. */
function fillDisk(ballast: string, note: () => unknown): void {
  const untilRefused = (write: () => unknown, code: string) => {
    try {
      for (;;) write();
    } catch (thrown) {
      expect(thrown).toMatchObject({ code });
    }
  };
  untilRefused(() => writeFileSync(ballast, Buffer.alloc(4096), { flag: "a" }), "ENOSPC");
  untilRefused(note, "AUDIT_UNAVAILABLE");
}

test("attack 62: kill -9 while segments are dropped leaves a log that opens and verifies", async () => {
  const writer = join(import.meta.dirname, "../../testing/audit-dropper.ts");
  let droppedUpTo = 0;
  for (const waitMs of [5, 30, 80]) {
    const child = spawn(process.execPath, ["--conditions=sonde:source", writer, folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(createInterface({ input: child.stdout }), "line");
    await sleep(waitMs);
    child.kill("SIGKILL");
    await once(child, "close");
    const { bad, dropped } = verifySegments(folder);
    expect(bad).toBeNull();
    expect(dropped?.head.size ?? 0).toBeGreaterThanOrEqual(droppedUpTo);
    droppedUpTo = dropped?.head.size ?? 0;
    await withLog([0]);
  }
  expect(droppedUpTo).toBeGreaterThan(0);
});

test("a crash between two segments leaves no hole", async () => {
  await withLog(daysFrom(0, 600, 50));
  const names = listSegments(folder);
  const third = join(folder, names[2] as string);
  rmSync(third);
  mkdirSync(third);
  expect(() => dropSegments(folder, 100)).toThrowError(/EISDIR|directory/);
  expect(readdirSync(folder).filter((name) => name.endsWith("jsonl"))).toEqual(names.slice(2));
});
