import { type AuditEntry, type AuditRecord } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { type LogHead } from "@sonde/schemas/wire";
import { chainRecord, headAfter } from "@sonde/trust/chain";

/**
 * Where entries are stored; edge/store/audit-segments.ts documents the durability of each
 * method.
 */
export type AuditStore = {
  write(entry: AuditEntry): void;
  sync(): Promise<void>;
};

/**
 * The agent's record of every call and its answer. Entries form one total order: the
 * order in which `note` and `append` were called, by any number of callers.
 */
export type AuditLog = {
  /**
   * Writes an entry. The entry survives the end of this process at once, and a crash of
   * the machine after the next sync.
   *
   * @returns the log's head, with this entry last
   * @throws SondeError AUDIT_UNAVAILABLE; the caller must then run nothing
   */
  note(record: AuditRecord): LogHead;
  /**
   * Resolves when every entry that was written before is durable. Concurrent callers share one sync.
   *
   * @throws SondeError AUDIT_UNAVAILABLE
   */
  flush(): Promise<void>;
  /** Does `note`, then `flush`. */
  append(record: AuditRecord): Promise<LogHead>;
  /** The last durable head. */
  head(): LogHead;
  /** Why no entry can be written until the agent starts again, or null. */
  unavailable(): SondeError | null;
  /** Why the last entry could not be written, or null. A disk with room again mends it. */
  problem(): SondeError | null;
};

/**
 * @param head the last head in `store`
 * @param onProblem is called when the log begins to refuse entries, and with null when it takes them
 *   again
 */
export function createAuditLog(
  store: AuditStore,
  head: LogHead,
  onProblem: (problem: SondeError | null) => void = () => undefined,
): AuditLog {
  let written = head;
  let durable = head;
  let broken: SondeError | null = null;
  let problem: SondeError | null = null;
  let waiting: PromiseWithResolvers<void>[] = [];
  let syncing = false;

  const notice = (now: SondeError | null): void => {
    const before = problem;
    problem = now;
    if ((before === null) !== (now === null)) onProblem(now);
  };

  const note = (record: AuditRecord): LogHead => {
    if (broken !== null) throw broken;
    const entry = chainRecord(written, record);
    try {
      store.write(entry);
    } catch (thrown) {
      const why = unavailable("the audit log could not be written", thrown);
      notice(why);
      throw why;
    }
    notice(null);
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
        for (const { resolve } of group) resolve();
      } catch (thrown) {
        // A failed fsync may drop dirty pages, and the next fsync then reports success
        // (fsync(2), PostgreSQL 2018). Only a restart reads what is really on disk.
        const why = unavailable("the audit log could not be made durable", thrown);
        broken = why;
        notice(why);
        for (const { reject } of [...group, ...waiting]) reject(why);
        waiting = [];
      }
    }
    syncing = false;
  };

  const flush = (): Promise<void> => {
    if (broken !== null) return Promise.reject(broken);
    const durably = Promise.withResolvers<void>();
    waiting.push(durably);
    if (!syncing) void syncWaiting();
    return durably.promise;
  };

  return {
    note,
    flush,
    async append(record) {
      const at = note(record);
      await flush();
      return at;
    },
    head: () => durable,
    unavailable: () => broken,
    problem: () => problem,
  };
}

/**
 * Stands in for a log that could not be opened: refuses every entry with `why`, so that
 * no call runs.
 */
export function buildClosedAuditLog(why: SondeError, head: LogHead): AuditLog {
  return {
    note() {
      throw why;
    },
    flush: () => Promise.reject(why),
    append: () => Promise.reject(why),
    head: () => head,
    unavailable: () => why,
    problem: () => why,
  };
}

function unavailable(what: string, cause: unknown): SondeError {
  const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown reason";
  return new SondeError("AUDIT_UNAVAILABLE", `${what}: ${reason}`, { cause });
}
