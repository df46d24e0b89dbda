import { setTimeout as sleep } from "node:timers/promises";
import { type AuditEntry, parseAuditEntry } from "@sonde/schemas/audit";
import { parseJson } from "@sonde/schemas/parse";
import { readLinesFrom, requireSegments } from "@sonde/trust/segments";

/** A place in a log: the byte after an entry. */
export type Place = { segment: string; offset: number };

const LOOK_MS = 250;

/**
 * The newest entries of a log on disk.
 *
 * @returns at most `count` entries, the place after them, and a sentence about what stood before the
 *   first entry that is kept, when the log has fewer than `count`
 * @throws SondeError NOT_FOUND when there is no log, AUDIT_UNAVAILABLE at a line that is no entry
 */
export function readLast(
  folder: string,
  count: number,
): { entries: AuditEntry[]; before: string | null; end: Place } {
  const segments = requireSegments(folder);
  let entries: AuditEntry[] = [];
  let end: Place = { segment: segments.at(-1) ?? "", offset: 0 };
  for (const segment of segments.toReversed()) {
    const read = readAfter(folder, { segment, offset: 0 });
    if (segment === end.segment) end = read.end;
    entries = [...read.entries.slice(-(count - entries.length)), ...entries];
    if (entries.length === count) return { entries, before: null, end };
  }
  return { entries, before: describeBefore(entries), end };
}

/** New entries after `place`, for as long as the caller takes them. */
export async function* followEntries(folder: string, place: Place): AsyncGenerator<AuditEntry> {
  for (let next = place; ; ) {
    // Look for a later segment first: the agent writes nothing into this one once there is one.
    const later = requireSegments(folder).find((name) => name > next.segment);
    const { entries, end } = readAfter(folder, next);
    yield* entries;
    next = later === undefined ? end : { segment: later, offset: 0 };
    if (later === undefined) await sleep(LOOK_MS);
  }
}

function readAfter(folder: string, place: Place): { entries: AuditEntry[]; end: Place } {
  const entries: AuditEntry[] = [];
  let { offset } = place;
  for (const { line, end } of readLinesFrom(folder, place.segment, place.offset)) {
    entries.push(parseAuditEntry(parseJson(line, place.segment, "AUDIT_UNAVAILABLE")));
    offset = end;
  }
  return { entries, end: { segment: place.segment, offset } };
}

function describeBefore([first]: AuditEntry[]): string | null {
  if (first === undefined) return "The log is empty: this agent has written no entry.";
  if (first.seq === 1) return null;
  return `The log begins with entry ${first.seq}: the agent keeps none before it. A log.dropped entry says why; sonde agent audit verify finds it.`;
}
