import { createHash } from "node:crypto";
import type { AuditEntry } from "@sonde/schemas/audit";

/** Entries that follow each other without a gap; at least one. */
export type Batch = {
  /** The same each time these entries go to this sink, and of no other batch. */
  id: string;
  /** The name of the sink. */
  sink: string;
  entries: readonly [AuditEntry, ...AuditEntry[]];
};

/**
 * The hash of the last entry covers all entries before it, so an id tells apart even the entries of a
 * log that was restored from a backup and went on otherwise.
 */
export function buildBatch(sink: string, entries: Batch["entries"]): Batch {
  const [first] = entries;
  const last = entries.at(-1) ?? first;
  const of = `${sink} ${first.seq} ${last.seq} ${last.hash}`;
  const id = `msg_${createHash("sha256").update(of).digest("base64url").slice(0, 32)}`;
  return { id, sink, entries };
}

/** The entries up to the first gap. */
export function takeUnbroken(entries: readonly AuditEntry[]): AuditEntry[] {
  const gap = entries.findIndex(({ seq }, index) => seq !== (entries[0]?.seq ?? 0) + index);
  return entries.slice(0, gap === -1 ? entries.length : gap);
}
