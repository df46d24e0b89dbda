import type { AuditRecord } from "@sonde/schemas/audit";
import type { AuditLog } from "./audit-log.ts";

/** For whom an OAuth grant acts, as its records say it. */
export type Actor = { person: string; client: string };

/**
 * The same log; each record of an OAuth grant says for which person which client did it, whatever
 * wrote the record.
 *
 * @param actorOf by the id of the subject; null for any other subject
 */
export function nameActors(log: AuditLog, actorOf: (subject: string) => Actor | null): AuditLog {
  const name = (record: AuditRecord): AuditRecord => {
    const actor = record.principal === null ? null : actorOf(record.principal);
    return actor === null ? record : { ...record, detail: { ...record.detail, ...actor } };
  };
  return {
    ...log,
    append: (record) => log.append(name(record)),
    appendSoon: (record) => log.appendSoon(name(record)),
  };
}
