import { MAX_KEPT_RANGES } from "@sonde/schemas/audit";
import { firstOf, lastOf } from "@sonde/trust/hub-log";
import type { Segment } from "../../audit/index.ts";

/** How much content is kept. At least one of them is stated. */
export type Limits = { maxDays: number | null; maxBytes: number | null };

/** How far a sink has delivered the log, and since when it fails; null while it works. */
export type SinkPlace = { seq: number; failingSince: Date | null };

/** Segments that go next, the oldest first, and what must be said of all that is dropped then. */
export type Outdated = {
  segments: readonly [Segment, ...Segment[]];
  /** The last segment that is dropped then. */
  last: number;
  /** Entries before its end that stay, by their numbers. */
  kept: readonly { from: number; to: number }[];
  because: "age" | "size";
};

/** Segments that one record speaks for. */
export const MAX_TOGETHER = 16;
const DAY_MS = 24 * 3_600_000;

/**
 * Finds the oldest segments that the limits no longer keep. Whatever they say, content stays for a
 * day, until a checkpoint has it, while a call in it is open or a hold needs it, and until each sink has
 * delivered it. A sink that was failing already when the first entry that stays was written is not
 * waited for.
 *
 * @param present the segments that have content, the oldest first
 * @param known.signed the size of the newest checkpoint
 * @param known.lastDropped the last segment that was dropped; -1 for none
 */
export async function findOutdated(
  present: readonly Segment[],
  { maxDays, maxBytes }: Limits,
  known: {
    now: Date;
    signed: number;
    lastDropped: number;
    sinks: readonly SinkPlace[];
    isHeld: (segment: Segment) => Promise<boolean>;
    /** Whether it has a request whose end is not on record yet. */
    isOpen: (segment: Segment) => Promise<boolean>;
  },
): Promise<Outdated | null> {
  const now = known.now.getTime();
  const oldest = maxDays === null ? -Infinity : now - maxDays * DAY_MS;
  let left = present.reduce((sum, { bytes }) => sum + bytes, 0);
  let found: Outdated | null = null;
  let because: Outdated["because"] | null = null;
  for (const [place, segment] of present.entries()) {
    const next = present[place + 1];
    const last = lastOf(segment.index);
    const lastAt = segment.lastAt.getTime();
    if (next === undefined || last > known.signed || lastAt >= now - DAY_MS) break;
    const isOld = lastAt < oldest;
    if (!isOld && (maxBytes === null || left <= maxBytes)) break;
    const staysFrom = isOld ? oldest : next.firstAt.getTime();
    if (known.sinks.some((sink) => mustWait(sink, last, staysFrom))) break;
    // What stays on hold makes no other content go.
    left -= segment.bytes;
    if (await known.isHeld(segment)) continue;
    if (await known.isOpen(segment)) break;
    const more = take(segment, found, known.lastDropped, present);
    if (more.kept.length > MAX_KEPT_RANGES) break;
    because ??= isOld ? "age" : "size";
    found = { ...more, because };
    if (more.segments.length === MAX_TOGETHER) break;
  }
  return found;
}

function mustWait({ seq, failingSince }: SinkPlace, last: number, staysFrom: number): boolean {
  return seq < last && (failingSince === null || failingSince.getTime() >= staysFrom);
}

/** What is dropped with one segment more. */
function take(
  segment: Segment,
  found: Outdated | null,
  lastDropped: number,
  present: readonly Segment[],
): Omit<Outdated, "because"> {
  const segments: Outdated["segments"] = found === null ? [segment] : [...found.segments, segment];
  const last = Math.max(lastDropped, segment.index);
  const kept: { from: number; to: number }[] = [];
  for (const { index } of present) {
    if (index > last || segments.some((one) => one.index === index)) continue;
    const [from, to] = [firstOf(index), lastOf(index)];
    const before = kept.at(-1);
    if (before?.to === from - 1) before.to = to;
    else kept.push({ from, to });
  }
  return { segments, last, kept };
}
