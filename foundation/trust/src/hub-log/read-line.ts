import { type AuditEntry, parseAuditEntry } from "@sonde/schemas/audit";
import { type AuditExportLine, parseAuditExportLine } from "@sonde/schemas/audit-search";
import { parseJson } from "@sonde/schemas/parse";
import { sortedText } from "../canonical-json.ts";

/** A line of an export, and the canonical JSON of its entry's record where that is known already. */
export type ReadLine = { line: AuditExportLine; text: string | null };

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** @throws SondeError AUDIT_UNAVAILABLE for what is no line of an export */
export function readLine(bytes: Uint8Array): ReadLine {
  return (
    readCanonical(bytes) ?? {
      line: parseAuditExportLine(parseJson(bytes, "line of the export", "AUDIT_UNAVAILABLE")),
      text: null,
    }
  );
}

/**
 * Reads an entry as a hub writes it today. A line that is the very text that its value is formatted to
 * has each member once and nothing that two parsers could read differently, so `parseJson` need not look
 * at it again.
 */
function readCanonical(bytes: Uint8Array): (ReadLine & { line: AuditEntry }) | null {
  let said: string;
  let line: AuditEntry;
  try {
    said = utf8.decode(bytes);
    line = parseAuditEntry(JSON.parse(said));
  } catch {
    // The other way says in words what is wrong with it.
    return null;
  }
  const text = sortedText(line.record);
  if (text === null) return null;
  const { seq, previous, hash } = line;
  const whole = `{"seq":${seq},"previous":"${previous}","record":${text},"hash":"${hash}"}`;
  return said === whole ? { line, text } : null;
}
