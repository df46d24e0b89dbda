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
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type AuditEntry } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { type LogHead } from "@sonde/schemas/wire";
import { EMPTY_HEAD, verifyChain } from "@sonde/trust/chain";
import { MAX_LINE_BYTES, listSegments, readEntries, segmentName } from "@sonde/trust/segments";
import { syncDirectory } from "./sync-directory.ts";
import { takeLock } from "@sonde/files";

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
  /** `listener` is called each time that a new segment begins. */
  onSegment(listener: () => void): void;
  close(): Promise<void>;
};

const NEWLINE = 0x0a;
const fdatasyncAsync = promisify(fdatasync);

/** When a new segment begins: whole segments are dropped once they are no longer kept. */
export type SegmentLimits = { bytes: number; ms: number };

/**
 * Opens the log in `folder`, or creates it, and verifies the chain of the newest two
 * segments. `sonde-agent audit verify` verifies all of them.
 *
 * @throws SondeError AUDIT_UNAVAILABLE when the chain is broken or unreadable,
 *   STARTING_FAILED when another process writes this log
 */
export function openAuditSegments(folder: string, limits: SegmentLimits): AuditSegments {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const release = takeLock(join(folder, "lock"));
  if (release === null) {
    throw new SondeError(
      "STARTING_FAILED",
      `${folder}: expected to be the only process on this log, got another one holding its lock`,
    );
  }
  try {
    return openLocked(folder, limits, release);
  } catch (thrown) {
    release();
    if (thrown instanceof SondeError) throw thrown;
    throw new SondeError("AUDIT_UNAVAILABLE", `${folder}: expected a readable audit log`, {
      cause: thrown,
    });
  }
}

function openLocked(folder: string, limits: SegmentLimits, release: () => void): AuditSegments {
  const { head, trimmedBytes, newest } = verifyNewest(folder);
  let fd = newest === null ? createSegment(folder, head.size + 1) : openSegment(folder, newest);
  let size = fstatSync(fd).size;
  let begun = newest === null ? null : beginningOf(folder, newest);
  let torn = false;
  let syncing: Promise<void> = Promise.resolve();
  let onSegment = (): void => undefined;

  const isFull = (entry: AuditEntry, bytes: number): boolean =>
    begun !== null &&
    (size + bytes > limits.bytes || Date.parse(entry.record.at) - begun > limits.ms);

  const beginSegment = (firstSeq: number): void => {
    // Each segment is durable before the next one exists, so a crash can tear the newest one only.
    fdatasyncSync(fd);
    const previous = fd;
    fd = createSegment(folder, firstSeq);
    size = 0;
    begun = null;
    void syncing.finally(() => closeSync(previous));
  };

  return {
    head,
    trimmedBytes,
    write(entry) {
      const line = Buffer.from(`${JSON.stringify(entry)}\n`);
      if (line.length > MAX_LINE_BYTES) {
        throw new SondeError("AUDIT_UNAVAILABLE", `entry ${entry.seq} has ${line.length} bytes`);
      }
      const begins = isFull(entry, line.length);
      if (begins) beginSegment(entry.seq);
      // A full disk may write a part of a line before it fails. Remove that part first.
      if (torn) ftruncateSync(fd, size);
      torn = true;
      writeWhole(fd, line, size);
      torn = false;
      size += line.length;
      begun ??= Date.parse(entry.record.at);
      if (begins) onSegment();
    },
    onSegment(listener) {
      onSegment = listener;
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
  const names = listSegments(folder);
  const newest = names.at(-1);
  if (newest === undefined) return { head: EMPTY_HEAD, trimmedBytes: 0, newest: null };
  const trimmedBytes = trimTornTail(join(folder, newest));

  let head: LogHead | null = null;
  for (const name of names.slice(-2)) {
    head = verifySegment(folder, name, head ?? headBefore(folder, name));
  }
  return { head: head ?? EMPTY_HEAD, trimmedBytes, newest };
}

/**
 * The chain's head before the first segment that is verified: empty, or what its first
 * entry names.
 */
function headBefore(folder: string, name: string): LogHead {
  const firstSeq = Number(name.slice(0, 20));
  const [first] = readEntries(folder, name);
  if (firstSeq === 1 || first === undefined) return EMPTY_HEAD;
  return { size: firstSeq - 1, hash: first.previous };
}

function verifySegment(folder: string, name: string, from: LogHead): LogHead {
  const entries = readEntries(folder, name);
  try {
    return verifyChain(entries, from);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : "";
    throw new SondeError("AUDIT_UNAVAILABLE", `${name}: the chain is broken: ${why}`);
  }
}

/** Unix time in ms of the segment's first entry, or null while it is empty. */
function beginningOf(folder: string, name: string): number | null {
  const [first] = readEntries(folder, name);
  return first === undefined ? null : Date.parse(first.record.at);
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
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const path = join(folder, segmentName(firstSeq));
  const fd = openSync(path, flags, 0o600);
  try {
    syncDirectory(folder);
    return fd;
  } catch (thrown) {
    // The next write tries again, and expects to create the file.
    closeSync(fd);
    rmSync(path);
    throw thrown;
  }
}

/**
 * Opens the newest segment for writing. A process that was killed may have written entries that are
 * not durable. The head that was read is stated to the hub, so they become durable first.
 */
function openSegment(folder: string, name: string): number {
  const fd = openSync(join(folder, name), constants.O_WRONLY | constants.O_NOFOLLOW);
  fdatasyncSync(fd);
  return fd;
}
