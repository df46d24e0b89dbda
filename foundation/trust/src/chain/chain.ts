import { hash as hashOnce } from "node:crypto";
import {
  type AuditEntry,
  type AuditRecord,
  type ChainEntry,
  isDropped,
} from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import { type LogHead } from "@sonde/schemas/wire";
import { canonicalJson, sortMembers } from "../canonical-json.ts";

/** The head of an empty chain. */
export const EMPTY_HEAD: LogHead = { size: 0, hash: `sha256:${"0".repeat(64)}` };

/**
 * Builds the entry that follows `head`. Its hash covers the sequence number, the previous
 * hash and the record. So whoever edits, moves, inserts or drops an entry changes every
 * later hash (attack 59). The record is the same with sorted members: whoever verifies it later need
 * not sort them.
 */
export function chainRecord(head: LogHead, given: AuditRecord): AuditEntry {
  const seq = head.size + 1;
  const record = sortMembers(given);
  const place = { seq, previous: head.hash };
  return { ...place, record, hash: hashEntry(place, canonicalJson(record)) };
}

/** The head of the chain that ends with `entry`. */
export function headAfter(entry: Pick<ChainEntry, "seq" | "hash">): LogHead {
  return { size: entry.seq, hash: entry.hash };
}

/**
 * Verifies that each entry follows the one before it. Whether content was dropped rightly is not
 * looked at; see hub-log/check-dropped.
 *
 * @param from head of the chain before the first entry given
 * @returns the head after the last entry
 * @throws SondeError AUDIT_UNAVAILABLE naming the first entry that does not follow
 */
export function verifyChain(entries: Iterable<ChainEntry>, from: LogHead = EMPTY_HEAD): LogHead {
  let head = from;
  for (const entry of entries) {
    const why = explainBreak(head, entry);
    if (why !== null) throw new SondeError("AUDIT_UNAVAILABLE", why);
    head = headAfter(entry);
  }
  return head;
}

/**
 * @param text the canonical JSON of its record, where that is known
 * @returns what it proves that `entry` does not follow `head`, or null when it does
 */
export function explainBreak(
  head: LogHead,
  entry: ChainEntry,
  text: string | null = null,
): string | null {
  if (entry.seq !== head.size + 1) {
    return `${expected(head)}, got entry ${entry.seq}: entries were removed, added or moved`;
  }
  if (!isDropped(entry) && entry.hash !== hashEntry(entry, text ?? canonicalJson(entry.record))) {
    return `${expected(head)} as it was written, got one whose hash is not that of its content: it was changed`;
  }
  if (entry.previous === head.hash) return null;
  return `${expected(head)} to follow the one before it, got one that was written after another: one of the two was put there later`;
}

function expected({ size }: LogHead): string {
  return `expected entry ${size + 1}`;
}

/** @param text the canonical JSON of its record */
function hashEntry({ seq, previous }: Pick<ChainEntry, "seq" | "previous">, text: string): Digest {
  return `sha256:${hashOnce("sha256", `sonde-audit-v1\n${seq}\n${previous}\n${text}`)}`;
}
