import type { AuditRecord } from "@sonde/schemas/audit";
import type { AuditLog } from "./audit-log.ts";

/** For whom an OAuth grant acts, as its records say it. */
export type Actor = { person: string; client: string };

/** The grants that acted lately. A grant is noted whenever its token is read. */
export type Actors = {
  /** @param subject the id of the principal that the grant is */
  note(subject: string, actor: Actor): void;
  /** Null for any other subject. */
  of(subject: string): Actor | null;
};

/** A request's own grant is noted before anything of it is recorded. */
const MAX_ACTORS = 10_000;

export function createActors(): Actors {
  const actors = new Map<string, Actor>();
  return {
    note(subject, actor) {
      if (actors.size >= MAX_ACTORS) actors.clear();
      actors.set(subject, actor);
    },
    of: (subject) => actors.get(subject) ?? null,
  };
}

/**
 * The same log; each record of an OAuth grant says for which person which client did it, whatever
 * wrote the record.
 */
export function nameActors(log: AuditLog, actors: Pick<Actors, "of">): AuditLog {
  const name = (record: AuditRecord): AuditRecord => {
    const actor = record.principal === null ? null : actors.of(record.principal);
    return actor === null ? record : { ...record, detail: { ...record.detail, ...actor } };
  };
  return {
    ...log,
    append: (record) => log.append(name(record)),
    appendSoon: (record) => log.appendSoon(name(record)),
  };
}
