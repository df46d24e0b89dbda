import { type AuditEntry, type AuditRecord } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { type LogHead } from "@sonde/schemas/wire";
import { chainRecord, headAfter } from "@sonde/trust/chain";

/** Where entries go; see edge/store/audit-segments for what each promise holds. */
export type AuditStore = {
  write(entry: AuditEntry): void;
  sync(): Promise<void>;
};

/**
 * The agent's own record of everything asked and answered. Appends from any
 * number of callers form one total order, the order of the calls.
 */
export type AuditLog = {
  /**
   * Writes an entry: it survives the end of this process, and the next sync
   * makes it durable.
   *
   * @returns the log's head with this entry last
   * @throws SondeError AUDIT_UNAVAILABLE; then nothing may run
   */
  note(record: AuditRecord): LogHead;
  /** As `note`, and resolves only when the entry is durable; callers share one sync. */
  append(record: AuditRecord): Promise<LogHead>;
  /** The last durable head. */
  head(): LogHead;
  /** Why nothing can be written, or null. */
  unavailable(): SondeError | null;
};

/** @param head where `store` ends now */
export function createAuditLog(store: AuditStore, head: LogHead): AuditLog {
  let written = head;
  let durable = head;
  let broken: SondeError | null = null;
  let waiting: { resolve: (head: LogHead) => void; reject: (why: unknown) => void; at: LogHead }[] =
    [];
  let syncing = false;

  const note = (record: AuditRecord): LogHead => {
    if (broken !== null) throw broken;
    const entry = chainRecord(written, record);
    try {
      store.write(entry);
    } catch (thrown) {
      throw unavailable("the audit log could not be written", thrown);
    }
    written = headAfter(entry);
    return written;
  };

  const syncWaiting = async (): Promise<void> => {
    syncing = true;
    while (waiting.length > 0) {
      const group = waiting;
      const covered = written;
      waiting = [];
      try {
        await store.sync();
        durable = covered;
        for (const { resolve, at } of group) resolve(at);
      } catch (thrown) {
        // After a failed sync the kernel may have dropped the pages and will say
        // yes next time (fsync(2), PostgreSQL 2018): only a restart reads the truth.
        const why = unavailable("the audit log could not be made durable", thrown);
        broken = why;
        for (const { reject } of [...group, ...waiting]) reject(why);
        waiting = [];
      }
    }
    syncing = false;
  };

  return {
    note,
    async append(record) {
      const at = note(record);
      const done = new Promise<LogHead>((resolve, reject) => waiting.push({ resolve, reject, at }));
      if (!syncing) void syncWaiting();
      return done;
    },
    head: () => durable,
    unavailable: () => broken,
  };
}

/** A log that could not be opened: it refuses every entry, so that nothing runs, and says why. */
export function buildClosedAuditLog(why: SondeError, head: LogHead): AuditLog {
  return {
    note() {
      throw why;
    },
    append: () => Promise.reject(why),
    head: () => head,
    unavailable: () => why,
  };
}

function unavailable(what: string, cause: unknown): SondeError {
  const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown reason";
  return new SondeError("AUDIT_UNAVAILABLE", `${what}: ${reason}`, { cause });
}
