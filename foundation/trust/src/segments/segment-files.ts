import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  readdirSync,
} from "node:fs";
import { join } from "node:path";
import { type AuditEntry, parseAuditEntry } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";

// The files of an agent's audit log: one JSON entry per line, in segments named after the sequence
// number of their first entry. The agent writes them; anybody with the right to read may read them
// at the same time.

const SEGMENT_NAME = /^[0-9]{20}\.jsonl$/;
const NEWLINE = 0x0a;
const READ_BYTES = 64 * 1024;
/** An entry has some KiB: parameters are cut at 4 KiB, and a call has at most 20 reads. */
export const MAX_LINE_BYTES = 1024 * 1024;

export function segmentName(firstSeq: number): string {
  return `${String(firstSeq).padStart(20, "0")}.jsonl`;
}

/** The names of the segments of a log that somebody may still write, oldest first. Throws as readdir(3). */
export function listSegments(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => SEGMENT_NAME.test(name))
    .sort();
}

/**
 * The segments of a log that should be there, oldest first.
 *
 * @throws SondeError NOT_FOUND when there is none
 */
export function requireSegments(folder: string): string[] {
  const segments = existsSync(folder) ? listSegments(folder) : [];
  if (segments.length > 0) return segments;
  throw new SondeError("NOT_FOUND", `${folder}: expected the audit log of an agent, got none`);
}

/** @throws SondeError AUDIT_UNAVAILABLE at the first line that is no entry */
export function* readEntries(folder: string, name: string): Generator<AuditEntry> {
  for (const { line } of readLinesFrom(folder, name, 0)) {
    yield parseAuditEntry(parseJson(line, name, "AUDIT_UNAVAILABLE"));
  }
}

/**
 * The lines that end with a newline, one at a time: memory that the start of an agent once took
 * stays with it.
 *
 * @param offset the byte at which to begin
 * @returns each line with the byte after its newline; at the end the size of what has no newline yet
 * @throws SondeError AUDIT_UNAVAILABLE for what is no file, and for a line of more than 1 MiB; other
 *   errors as open(2): ENOENT when the agent has dropped the segment meanwhile
 */
export function* readLinesFrom(
  folder: string,
  name: string,
  offset: number,
): Generator<{ line: string; end: number }, number> {
  // Whoever owns the folder may put a link or a pipe there, and root may be the reader.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const fd = openSync(join(folder, name), flags);
  try {
    if (!fstatSync(fd).isFile()) throw unreadable(name, "a regular file");
    const chunk = Buffer.alloc(READ_BYTES);
    let rest = Buffer.alloc(0);
    let place = offset;
    for (;;) {
      const read = readSync(fd, chunk, 0, READ_BYTES, place + rest.length);
      if (read === 0) return rest.length;
      const bytes = Buffer.concat([rest, chunk.subarray(0, read)]);
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
        yield { line: bytes.toString("utf8", start, end), end: place + end + 1 };
        start = end + 1;
      }
      rest = bytes.subarray(start);
      place += start;
      if (rest.length > MAX_LINE_BYTES)
        throw unreadable(name, `lines of at most ${MAX_LINE_BYTES} bytes`);
    }
  } finally {
    closeSync(fd);
  }
}

function unreadable(name: string, expected: string): SondeError {
  return new SondeError("AUDIT_UNAVAILABLE", `${name}: expected ${expected}, got something else`);
}
