import type { LogHead } from "@sonde/schemas/wire";
import type { Hub } from "../../hub.ts";

/** Heads come with every answer, so the newest is stored at most this often, and at the end. */
const SAVE_EVERY_MS = 2_000;

/**
 * Remembers the newest head of each agent's audit log that the agent stated. An agent states a head
 * only when it is durable, so a log that is behind it lost entries: its host went back in time. A hub
 * that is killed may lose the heads of two seconds.
 */
export type AuditWitnesses = {
  /** The newest head that the agent stated; null before the first. */
  read(agentId: string): Promise<LogHead | null>;
  /** Begins a session of an agent. */
  of(agentId: string): AuditWitness;
};

export type AuditWitness = {
  /**
   * @param said.seen the agent's own entry at the size of the head that the hub named; null when its
   *   log is shorter, undefined when it does not say
   * @returns a sentence when this log is older than one that the agent stated, or another log
   */
  findRollback(said: { head: LogHead; seen: LogHead | null | undefined }): Promise<string | null>;
  /** Remembers the head unless a newer one is remembered. */
  note(stated: LogHead): void;
  /** The session ends: stores what is not stored yet. */
  close(): void;
};

export function createAuditWitnesses({ sql, report }: Pick<Hub, "sql" | "report">): AuditWitnesses {
  /** What is not stored yet. An agent may come again before the head of its last session is. */
  const unsaved = new Map<string, LogHead>();

  const save = async (agentId: string): Promise<void> => {
    const head = unsaved.get(agentId);
    if (head === undefined) return;
    await sql`update agents set audit_head = ${sql.json(head)} where id = ${agentId}
      and (audit_head is null or (audit_head->>'size')::bigint < ${head.size})`;
    if (unsaved.get(agentId) === head) unsaved.delete(agentId);
  };

  const read = async (agentId: string): Promise<LogHead | null> => {
    await save(agentId);
    const [row] = await sql<{ head: LogHead | null }[]>`
      select audit_head as head from agents where id = ${agentId}`;
    return row?.head ?? null;
  };

  return {
    read,
    of(agentId) {
      let timer: NodeJS.Timeout | undefined;
      let known: LogHead | null = null;
      const saveNow = (): void => {
        clearTimeout(timer);
        timer = undefined;
        save(agentId).catch(report);
      };
      return {
        async findRollback({ head, seen }) {
          known = await read(agentId);
          return known === null ? null : describeRollback(head, seen, known);
        },
        note(stated) {
          // Most agents come back with the head that they had.
          if (known?.size === stated.size) return;
          if ((unsaved.get(agentId)?.size ?? -1) >= stated.size) return;
          unsaved.set(agentId, stated);
          timer ??= setTimeout(saveNow, SAVE_EVERY_MS).unref();
        },
        close: saveNow,
      };
    },
  };
}

function describeRollback(
  stated: LogHead,
  seen: LogHead | null | undefined,
  before: LogHead,
): string | null {
  if (stated.size < before.size) {
    return `Its audit log has ${stated.size} entries; it had ${before.size} before.`;
  }
  // The size alone does not tell: the log of a host that went back grows again.
  const own = stated.size === before.size ? stated : seen;
  // It does not say, or the head that it was told was older.
  if (own === undefined || (own !== null && own.size !== before.size)) return null;
  if (own?.hash === before.hash) return null;
  return `Its audit log has another entry ${before.size} than before.`;
}
