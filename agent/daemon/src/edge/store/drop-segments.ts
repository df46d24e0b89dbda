import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { AuditEntry, DroppedEntries } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { listSegments, readEntries } from "@sonde/trust/segments";
import { syncDirectory } from "./sync-directory.ts";

/** How much of the log is kept. */
export type KeepLimits = { days: number; bytes: number };

const DAY_MS = 24 * 60 * 60_000;
/** An opening verifies these, so it knows the head of what stood before them. */
const ALWAYS_KEPT = 2;

/**
 * Finds the oldest segments that the limits no longer keep. Each of them is whole: it is followed
 * by another one.
 *
 * @param now Unix time in ms; null when it is not certain, and then no segment is too old
 * @returns what a record `log.dropped` says before `dropSegments`, or null when all is kept
 * @throws SondeError AUDIT_UNAVAILABLE; other errors as open(2)
 */
export function findOutdated(
  folder: string,
  keep: KeepLimits,
  now: number | null,
): DroppedEntries | null {
  const segments = listSegments(folder).map((name) => ({
    name,
    bytes: statSync(join(folder, name)).size,
  }));
  const oldest = now === null ? -Infinity : now - keep.days * DAY_MS;
  let left = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  let gone = 0;
  let because: DroppedEntries["because"] | null = null;
  for (; gone < segments.length - ALWAYS_KEPT; gone += 1) {
    const isLarge = left > keep.bytes;
    if (!isLarge && Date.parse(firstEntry(folder, segments[gone + 1]).record.at) >= oldest) break;
    because ??= isLarge ? "size" : "age";
    left -= segments[gone]?.bytes ?? 0;
  }
  if (because === null) return null;
  const next = firstEntry(folder, segments[gone]);
  return {
    head: { size: next.seq - 1, hash: next.previous },
    from: firstEntry(folder, segments[0]).record.at,
    until: next.record.at,
    because,
    bytes: segments.slice(0, gone).reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/**
 * Removes the segments that end at or before entry `size`, the oldest first, so that a crash leaves
 * a log without a hole.
 */
export function dropSegments(folder: string, size: number): void {
  const names = listSegments(folder);
  names.forEach((name, index) => {
    const next = names[index + 1];
    if (next !== undefined && Number(next.slice(0, 20)) <= size + 1) rmSync(join(folder, name));
  });
  syncDirectory(folder);
}

function firstEntry(folder: string, segment: { name: string } | undefined): AuditEntry {
  const [first] = segment === undefined ? [] : readEntries(folder, segment.name);
  if (first !== undefined) return first;
  throw new SondeError("AUDIT_UNAVAILABLE", `${folder}: expected an entry in each older segment`);
}
