import { type AuditEntry, type AuditRecord } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import { type LogHead } from "@sonde/schemas/wire";
import { chainRecord, headAfter } from "@sonde/trust/chain";

/** Storage of the chain. Its guarantees are in edge/audit-store. */
export type AuditPort = {
  readHead(): Promise<LogHead>;
  /** Null when there is no such entry. */
  readHash(seq: number): Promise<Digest | null>;
  append(head: LogHead, entries: AuditEntry[]): Promise<boolean>;
};

/** Runs `work` once after `ms` milliseconds. The result cancels it. */
export type Later = (ms: number, work: () => void) => () => void;

/**
 * The hub's audit log: one hash chain, written in group commits. Any number of callers may append
 * concurrently; records that wait at the same time share a commit.
 */
export type AuditLog = {
  /**
   * Resolves when the record is durable.
   *
   * @throws SondeError AUDIT_UNAVAILABLE; then nothing was recorded and the caller must stop
   */
  append(record: AuditRecord): Promise<AuditEntry>;
  /**
   * Like `append`, but waits up to NOTE_MS for another record to share its commit. Records keep the
   * order in which they were given.
   */
  appendSoon(record: AuditRecord): Promise<AuditEntry>;
  /** The head as this process last saw it. */
  head(): LogHead;
  /** The head as it is stored now, whichever hub of this database wrote last. */
  readHead(): Promise<LogHead>;
  /** The hash of a stored entry; null when there is none. */
  readHash(seq: number): Promise<Digest | null>;
  /** Writes all waiting records. Resolves when each is durable or has failed. */
  flush(): Promise<void>;
};

type Waiting = {
  record: AuditRecord;
  resolve: (entry: AuditEntry) => void;
  reject: (error: SondeError) => void;
};

/** Refuse new records above this queue length: the database is far behind. */
const MAX_WAITING = 20_000;
const MAX_BATCH = 500;
/** How long a note waits for another record to share its commit. */
const NOTE_MS = 20;
/** Retries after another process moved the head. With two writers a few are enough. */
const MAX_TRIES = 20;

export async function openAuditLog(port: AuditPort, later: Later): Promise<AuditLog> {
  let head = await port.readHead();
  let waiting: Waiting[] = [];
  let writing: Promise<void> | null = null;
  let callOff: (() => void) | null = null;

  async function writeBatch(batch: Waiting[]): Promise<void> {
    for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
      let next = head;
      const entries = batch.map(({ record }) => {
        const entry = chainRecord(next, record);
        next = headAfter(entry);
        return entry;
      });
      if (await port.append(head, entries)) {
        head = next;
        for (const [index, entry] of entries.entries()) batch[index]?.resolve(entry);
        return;
      }
      head = await port.readHead();
    }
    throw new Error("the head kept moving");
  }

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MAX_BATCH);
      waiting = waiting.slice(MAX_BATCH);
      try {
        await writeBatch(batch);
      } catch (cause) {
        const error = new SondeError("AUDIT_UNAVAILABLE", "the audit log cannot be written", {
          cause,
        });
        for (const { reject } of batch) reject(error);
      }
    }
    writing = null;
  }

  function write(): void {
    callOff?.();
    callOff = null;
    // With an empty queue `drain` would finish before its result is assigned, and `writing` would
    // stay set.
    if (waiting.length > 0) writing ??= drain();
  }

  function enqueue(record: AuditRecord): Promise<AuditEntry> {
    if (waiting.length >= MAX_WAITING) {
      return Promise.reject(
        new SondeError("AUDIT_UNAVAILABLE", `${MAX_WAITING} audit records are waiting already`),
      );
    }
    return new Promise((resolve, reject) => waiting.push({ record, resolve, reject }));
  }

  return {
    append(record) {
      const written = enqueue(record);
      write();
      return written;
    },
    appendSoon(record) {
      const written = enqueue(record);
      callOff ??= later(NOTE_MS, write);
      return written;
    },
    head: () => head,
    readHead: () => port.readHead(),
    readHash: (seq) => port.readHash(seq),
    async flush() {
      write();
      while (writing !== null) await writing;
    },
  };
}
