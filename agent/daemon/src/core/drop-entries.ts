import type { AuditRecord, DroppedEntries } from "@sonde/schemas/audit";
import type { AuditLog } from "./audit-log.ts";

/** What the store knows of the entries that it keeps; see edge/store/drop-segments.ts. */
export type AuditArchive = {
  /** @param now Unix time in ms, or null when it is not certain */
  findOutdated(now: number | null): DroppedEntries | null;
  drop(upTo: number): void;
};

/**
 * Drops the entries that are no longer kept, once an entry that says so is durable: the log then
 * tells what it lacks, and with which hash that ended.
 *
 * @throws SondeError AUDIT_UNAVAILABLE; nothing was dropped then
 */
export async function dropEntries(
  audit: AuditLog,
  archive: AuditArchive,
  now: number | null,
  record: (dropped: DroppedEntries) => AuditRecord,
): Promise<DroppedEntries | null> {
  const dropped = archive.findOutdated(now);
  if (dropped === null) return null;
  await audit.append(record(dropped));
  archive.drop(dropped.head.size);
  return dropped;
}
