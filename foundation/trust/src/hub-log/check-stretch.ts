import { type ChainEntry, isDropped } from "@sonde/schemas/audit";
import { type ErrorCode, SondeError } from "@sonde/schemas/errors";
import { explainBreak, headAfter } from "../chain/chain.ts";
import { hashLeaf } from "../log/merkle.ts";
import { lastOf, segmentOf } from "./log-segments.ts";
import { type ReadLine, readLine } from "./read-line.ts";

export const HASH_BYTES = 32;

/**
 * Lines of an export, one after another, as far as they can be checked without those before them. It is
 * plain data, which one thread can give to another.
 */
export type Stretch = {
  /** The hash of each entry in the chain, and its leaf in the tree: 32 bytes each. */
  hashes: Uint8Array<ArrayBuffer>;
  leaves: Uint8Array<ArrayBuffer>;
  /**
   * Entries that whoever reads the whole log has to see, by their place: the first one, which alone is
   * not checked here, and those that say more than that they follow.
   */
  seen: Map<number, ChainEntry>;
  end: StretchEnd;
};

/** What comes after the entries. */
type StretchEnd =
  | { is: "open" }
  /** The last line of the export. */
  | { is: "complete" }
  /** An entry that is not as it was written, or does not follow. */
  | { is: "broken"; why: string }
  | { is: "unreadable"; code: ErrorCode; why: string };

/** @param agents entries of these are seen, also beyond one that does not follow */
export function checkStretch(lines: readonly Uint8Array[], agents: ReadonlySet<string>): Stretch {
  const hashes = Buffer.alloc(lines.length * HASH_BYTES);
  const leaves = Buffer.alloc(lines.length * HASH_BYTES);
  const seen = new Map<number, ChainEntry>();
  let last: ChainEntry | null = null;
  let count = 0;

  function take({ line, text }: ReadLine): StretchEnd {
    if ("complete" in line) return { is: "complete" };
    const why = last === null ? null : explainBreak(headAfter(last), line, text);
    if (why !== null) return { is: "broken", why };
    if (isWanted(line, last) || isOf(line, agents)) seen.set(count, line);
    const [from, to] = [count * HASH_BYTES, (count + 1) * HASH_BYTES];
    hashes.write(line.hash.slice("sha256:".length), from, "hex");
    leaves.set(hashLeaf(hashes.subarray(from, to)), from);
    last = line;
    count += 1;
    return { is: "open" };
  }

  let end: StretchEnd = { is: "open" };
  for (const [place, bytes] of lines.entries()) {
    if (end.is === "complete") end = unreadable("expected no line after the last one");
    else end = takeReadable(bytes, take);
    if (end.is === "broken") addOthers(seen, lines.slice(place), count, agents);
    if (end.is === "broken" || end.is === "unreadable") break;
  }
  const bytes = count * HASH_BYTES;
  return { hashes: hashes.subarray(0, bytes), leaves: leaves.subarray(0, bytes), seen, end };
}

function takeReadable(bytes: Uint8Array, take: (line: ReadLine) => StretchEnd): StretchEnd {
  let line: ReadLine;
  try {
    line = readLine(bytes);
  } catch (thrown) {
    if (thrown instanceof SondeError) return unreadable(thrown.message, thrown.code);
    throw thrown;
  }
  return take(line);
}

function unreadable(why: string, code: ErrorCode = "AUDIT_UNAVAILABLE"): StretchEnd {
  return { is: "unreadable", code, why };
}

/** All that `createDroppedCheck` has to see; the others change nothing for it. */
function isWanted(entry: ChainEntry, before: ChainEntry | null): boolean {
  if (before === null || isDropped(entry) || isDropped(before)) return true;
  return entry.record.event === "log.dropped" || entry.seq === lastOf(segmentOf(entry.seq));
}

function isOf(entry: ChainEntry, agents: ReadonlySet<string>): boolean {
  return !isDropped(entry) && entry.record.agent !== null && agents.has(entry.record.agent);
}

/** Adds what is comparable of the lines from one on that does not follow. */
function addOthers(
  seen: Map<number, ChainEntry>,
  lines: readonly Uint8Array[],
  from: number,
  agents: ReadonlySet<string>,
): void {
  if (agents.size === 0) return;
  for (const [place, bytes] of lines.entries()) {
    const end = takeReadable(bytes, ({ line }) => {
      if (!("complete" in line) && isOf(line, agents)) seen.set(from + place, line);
      return { is: "open" };
    });
    if (end.is !== "open") return;
  }
}
