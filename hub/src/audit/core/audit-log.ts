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
  /**
   * Writes all of the entries or none.
   *
   * @returns whether they follow the head that is stored; else nothing was written
   */
  append(head: LogHead, entries: AuditEntry[]): Promise<boolean>;
  /** What an error that one of these threw means. */
  judge(thrown: unknown): Trouble;
};

/**
 * `refused`: the store would refuse the same again. `outage`: nothing was written, and later it may be.
 * `unknown`: as an outage, but what was to be written may have been.
 */
export type Trouble = "refused" | "outage" | "unknown";

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
   * @throws SondeError AUDIT_UNAVAILABLE; then the caller must stop. During an outage nobody knows
   *   whether the record was written; if it was, `onBelated` says so afterwards
   */
  append(record: AuditRecord): Promise<AuditEntry>;
  /**
   * Like `append`, but waits up to NOTE_MS for another record to share its commit, and during an
   * outage until it is over: what happened goes on record. Records keep the order in which they were
   * given.
   */
  appendSoon(record: AuditRecord): Promise<AuditEntry>;
  /** The head as this process last saw it. */
  head(): LogHead;
  /** The head as it is stored now, whichever hub of this database wrote last. */
  readHead(): Promise<LogHead>;
  /** The hash of a stored entry; null when there is none. */
  readHash(seq: number): Promise<Digest | null>;
  /** Writes all waiting records. Resolves when each is durable, has failed, or waits for the end of an outage. */
  flush(): Promise<void>;
};

type Waiting = {
  record: AuditRecord;
  /** Nobody waits for it, so it can wait for the end of an outage. */
  isPatient: boolean;
  resolve: (entry: AuditEntry) => void;
  reject: (error: SondeError) => void;
};

/** Refuse new records above this queue length: the database is far behind. */
const MAX_WAITING = 20_000;
const MAX_BATCH = 500;
/** How long a note waits for another record to share its commit. */
const NOTE_MS = 20;
/** How soon patient records are tried again. */
const RETRY_MS = 1_000;
/** Retries after another process moved the head. With two writers a few are enough. */
const MAX_TRIES = 20;

/** Other hubs moved the head at each try. */
class HeadMoved extends Error {}

/** The store is not the one that was written to, or has lost the end of it. */
class LogWentBack extends Error {}

/** A write of which nobody knows whether it was done, and the head that it was to follow. */
type Doubt = { base: LogHead; batch: readonly Waiting[]; entries: readonly AuditEntry[] };

/** @param onBelated gets an entry that is durable although its caller was told that it is not */
export async function openAuditLog(
  port: AuditPort,
  later: Later,
  onBelated: (entry: AuditEntry) => void,
): Promise<AuditLog> {
  let head = await port.readHead();
  let waiting: Waiting[] = [];
  let writing: Promise<void> | null = null;
  let callOff: (() => void) | null = null;
  let doubts: Doubt[] = [];

  /**
   * What this process saw stored must still be there, or it would write another history: after a
   * failover to a server that lacks the end of the log, or back to one that was replaced.
   */
  async function readOn(): Promise<LogHead> {
    const stored = await port.readHead();
    if (stored.size === head.size ? stored.hash === head.hash : stored.size > head.size) {
      if (head.size === 0 || stored.size === head.size) return stored;
      if ((await port.readHash(head.size)) === head.hash) return stored;
    }
    throw new LogWentBack(
      `expected entry ${head.size} with ${head.hash}, got a log of ${stored.size} entries without it`,
    );
  }

  /**
   * A doubtful write was done, or never will be, once the head is another than the one that it was to
   * follow. Takes out of `batch` what was done.
   */
  async function settleDoubts(batch: Waiting[]): Promise<void> {
    const open = doubts;
    doubts = open.filter(({ base }) => base.hash === head.hash);
    for (const { base, batch: past, entries } of open) {
      const last = entries.at(-1);
      if (base.hash === head.hash || last === undefined) continue;
      if ((await port.readHash(last.seq)) !== last.hash) continue;
      for (const [index, entry] of entries.entries()) {
        const one = past[index];
        if (one?.isPatient === true) one.resolve(entry);
        else onBelated(entry);
      }
      batch.splice(0, batch.length, ...batch.filter((one) => !past.includes(one)));
      waiting = waiting.filter((one) => !past.includes(one));
    }
  }

  async function writeBatch(batch: Waiting[]): Promise<void> {
    for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
      if (attempt > 0 || doubts.length > 0) {
        head = await readOn();
        await settleDoubts(batch);
      }
      if (batch.length === 0) return;
      let next = head;
      const entries = batch.map(({ record }) => {
        const entry = chainRecord(next, record);
        next = headAfter(entry);
        return entry;
      });
      let isWritten: boolean;
      try {
        isWritten = await port.append(head, entries);
      } catch (thrown) {
        if (port.judge(thrown) === "unknown")
          doubts.push({ base: head, batch: [...batch], entries });
        throw thrown;
      }
      if (!isWritten) continue;
      // What was to follow the head before can follow it no more.
      doubts = [];
      head = next;
      for (const [index, entry] of entries.entries()) batch[index]?.resolve(entry);
      return;
    }
    throw new HeadMoved("the head kept moving");
  }

  async function drain(): Promise<void> {
    while (waiting.length > 0 || doubts.length > 0) {
      const batch = waiting.splice(0, MAX_BATCH);
      try {
        await writeBatch(batch);
      } catch (cause) {
        const isPassing =
          cause instanceof HeadMoved ||
          cause instanceof LogWentBack ||
          port.judge(cause) !== "refused";
        const stopped = isPassing ? [...batch, ...waiting.splice(0)] : batch;
        const error = new SondeError("AUDIT_UNAVAILABLE", describe(cause), { cause });
        for (const { isPatient, reject } of stopped) if (!isPassing || !isPatient) reject(error);
        if (!isPassing) continue;
        waiting.unshift(...stopped.filter(({ isPatient }) => isPatient));
        if (waiting.length > 0 || doubts.length > 0) callOff ??= later(RETRY_MS, write);
        break;
      }
    }
    writing = null;
  }

  function write(): void {
    callOff?.();
    callOff = null;
    // With nothing to do `drain` would finish before its result is assigned, and `writing` would
    // stay set.
    if (waiting.length > 0 || doubts.length > 0) writing ??= drain();
  }

  function enqueue(record: AuditRecord, isPatient: boolean): Promise<AuditEntry> {
    if (waiting.length >= MAX_WAITING) {
      return Promise.reject(
        new SondeError("AUDIT_UNAVAILABLE", `${MAX_WAITING} audit records are waiting already`),
      );
    }
    return new Promise((resolve, reject) => {
      waiting.push({ record, isPatient, resolve, reject });
    });
  }

  return {
    append(record) {
      const written = enqueue(record, false);
      write();
      return written;
    },
    appendSoon(record) {
      const written = enqueue(record, true);
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

function describe(cause: unknown): string {
  if (!(cause instanceof LogWentBack)) return "the audit log cannot be written";
  return `the database is not in the state that this hub wrote: ${cause.message}`;
}
