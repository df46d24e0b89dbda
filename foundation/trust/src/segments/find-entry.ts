import { type AuditEntry, parseAuditEntry } from "@sonde/schemas/audit";
import { parseJson } from "@sonde/schemas/parse";
import { listSegments, readLinesFrom, segmentName } from "./segment-files.ts";

/**
 * Finds an entry by its number.
 *
 * @returns null when the log ends before it, undefined when it was dropped
 * @throws SondeError AUDIT_UNAVAILABLE for a segment that cannot be read
 */
export function findEntry(folder: string, seq: number): AuditEntry | null | undefined {
  const names = listSegments(folder);
  const name = names.findLast((one) => one <= segmentName(seq));
  if (name === undefined) return names.length === 0 ? null : undefined;
  const beginning = `{"seq":${seq},`;
  for (const { line } of readLinesFrom(folder, name, 0)) {
    if (!line.startsWith(beginning)) continue;
    return parseAuditEntry(parseJson(line, name, "AUDIT_UNAVAILABLE"));
  }
  return null;
}
