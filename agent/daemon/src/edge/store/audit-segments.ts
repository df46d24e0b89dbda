import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type AuditEntry, parseAuditEntry } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { type LogHead } from "@sonde/schemas/wire";
import { EMPTY_HEAD, verifyChain } from "@sonde/trust/chain";
import { syncDirectory } from "./sync-directory.ts";
import { takeLock } from "./take-lock.ts";

/**
 * The files of the audit log: one JSON entry per line, in segments named after their
 * first sequence number.
 *
 * `write` is atomic: a failed write is undone. A written entry survives the end of the
 * process, and a crash of the machine after `sync`. One writer at a time, by a lock on
 * the folder.
 */
export type AuditSegments = {
  /** The log's head at opening, after verification. */
  head: LogHead;
  /** Size of the torn tail that was cut at opening. None of its bytes was acknowledged. */
  trimmedBytes: number;
  write(entry: AuditEntry): void;
  sync(): Promise<void>;
  close(): Promise<void>;
};

const SEGMENT_NAME = /^[0-9]{20}\.jsonl$/;
const NEWLINE = 0x0a;
const fdatasyncAsync = promisify(fdatasync);

/**
 * Opens the log in `folder`, or creates it, and verifies the chain of the newest two
 * segments. `sonde audit verify` verifies all of them.
 *
 * @param segmentBytes size at which a new segment begins
 * @throws SondeError AUDIT_UNAVAILABLE when the chain is broken or unreadable,
 *   STARTING_FAILED when another process writes this log
 */
export function openAuditSegments(folder: string, segmentBytes: number): AuditSegments {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const release = takeLock(join(folder, "lock"));
  try {
    return openLocked(folder, segmentBytes, release);
  } catch (thrown) {
    release();
    if (thrown instanceof SondeError) throw thrown;
    throw new SondeError("AUDIT_UNAVAILABLE", `${folder}: expected a readable audit log`, {
      cause: thrown,
    });
  }
}

function openLocked(folder: string, segmentBytes: number, release: () => void): AuditSegments {
  const { head, trimmedBytes, newest } = verifyNewest(folder);
  let fd = newest === null ? createSegment(folder, head.size + 1) : openSegment(folder, newest);
  let size = fstatSync(fd).size;
  let torn = false;
  let syncing: Promise<void> = Promise.resolve();

  const beginSegment = (firstSeq: number): void => {
    // Each segment is durable before the next one exists, so a crash can tear the newest one only.
    fdatasyncSync(fd);
    const previous = fd;
    fd = createSegment(folder, firstSeq);
    size = 0;
    void syncing.finally(() => closeSync(previous));
  };

  return {
    head,
    trimmedBytes,
    write(entry) {
      const line = Buffer.from(`${JSON.stringify(entry)}\n`);
      if (size > 0 && size + line.length > segmentBytes) beginSegment(entry.seq);
      // A full disk may write a part of a line before it fails. Remove that part first.
      if (torn) ftruncateSync(fd, size);
      torn = true;
      writeWhole(fd, line, size);
      torn = false;
      size += line.length;
    },
    sync() {
      const pending = fdatasyncAsync(fd);
      syncing = pending.catch(() => undefined);
      return pending;
    },
    async close() {
      await syncing;
      closeSync(fd);
      release();
    },
  };
}

function writeWhole(fd: number, line: Buffer, offset: number): void {
  let written = 0;
  while (written < line.length) {
    written += writeSync(fd, line, written, line.length - written, offset + written);
  }
}

function verifyNewest(folder: string): {
  head: LogHead;
  trimmedBytes: number;
  newest: string | null;
} {
  const names = readdirSync(folder)
    .filter((name) => SEGMENT_NAME.test(name))
    .sort();
  const newest = names.at(-1);
  if (newest === undefined) return { head: EMPTY_HEAD, trimmedBytes: 0, newest: null };
  const trimmedBytes = trimTornTail(join(folder, newest));

  let head: LogHead | null = null;
  for (const name of names.slice(-2)) {
    const firstSeq = Number(name.slice(0, 20));
    const entries = readEntries(join(folder, name));
    head ??= headBefore(firstSeq, entries);
    head = verifyEntries(name, entries, head);
  }
  return { head: head ?? EMPTY_HEAD, trimmedBytes, newest };
}

/**
 * The chain's head before the first segment that is verified: empty, or what its first
 * entry names.
 */
function headBefore(firstSeq: number, entries: AuditEntry[]): LogHead {
  const first = entries[0];
  if (firstSeq === 1 || first === undefined) return EMPTY_HEAD;
  return { size: firstSeq - 1, hash: first.previous };
}

function verifyEntries(name: string, entries: AuditEntry[], from: LogHead): LogHead {
  try {
    return verifyChain(entries, from);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : "";
    throw new SondeError("AUDIT_UNAVAILABLE", `${name}: the chain is broken: ${why}`);
  }
}

function readEntries(path: string): AuditEntry[] {
  const lines = readFileSync(path, "utf8").split("\n");
  lines.pop();
  return lines.map((line) => parseAuditEntry(parseJson(line, path, "AUDIT_UNAVAILABLE")));
}

/**
 * Cuts a last line that a crash left torn (attack 62). An entry is acknowledged only
 * after the sync that follows its newline, so a line without a newline was never
 * acknowledged. A line with a NUL byte is a block that the machine lost before any sync.
 */
function trimTornTail(path: string): number {
  const bytes = readFileSync(path);
  let keep = bytes.lastIndexOf(NEWLINE) + 1;
  const lastLine = keep === 0 ? 0 : bytes.lastIndexOf(NEWLINE, keep - 2) + 1;
  if (bytes.subarray(lastLine, keep).includes(0)) keep = lastLine;
  if (keep === bytes.length) return 0;
  const fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
  try {
    ftruncateSync(fd, keep);
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return bytes.length - keep;
}

function createSegment(folder: string, firstSeq: number): number {
  const name = `${String(firstSeq).padStart(20, "0")}.jsonl`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(join(folder, name), flags, 0o600);
  syncDirectory(folder);
  return fd;
}

function openSegment(folder: string, name: string): number {
  return openSync(join(folder, name), constants.O_WRONLY | constants.O_NOFOLLOW);
}
