import type { AuditHold, HoldFilters } from "@sonde/schemas/audit-hold";
import { firstOf, lastOf } from "@sonde/trust/hub-log";
import type { Sql, TransactionSql } from "postgres";
import { readPeriod, type Segment, type Subjects } from "../../audit/index.ts";

/** The legal holds. Each is durable when `add` or `remove` resolves, for all hubs of the database. */
export type HoldStore = {
  /** The oldest first. */
  list(): Promise<AuditHold[]>;
  add(hold: AuditHold): Promise<void>;
  remove(id: string): Promise<void>;
  /**
   * True when a hold has an entry of the segment. What a segment has never changes, so each hold looks
   * at it once.
   *
   * @param session a transaction that has locked the holds, or any other session
   */
  isHeld(segment: Segment, session?: TransactionSql): Promise<boolean>;
};

/** What is known of holds and segments. Beyond that it is looked up again. */
const MAX_KNOWN = 100_000;

type Row = Omit<AuditHold, "at"> & { at: Date };

/** @param subjects finds what people did, by the keys and grants that were theirs */
export function createHoldStore(sql: Sql, subjects: Pick<Subjects, "ofPerson">): HoldStore {
  const known = new Map<string, boolean>();

  async function list(session: Sql | TransactionSql = sql): Promise<AuditHold[]> {
    const rows = await session<Row[]>`
      select id, reason, filters, at, by from audit_holds order by at, id`;
    return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
  }

  async function hasEntry(
    session: Sql | TransactionSql,
    { person, agent, ...period }: HoldFilters,
    { index }: Segment,
  ): Promise<boolean> {
    const { since, until } = readPeriod(period);
    const principals = person === undefined ? [] : await subjects.ofPerson(person);
    const found = await session`
      select 1 from audit_log where seq between ${firstOf(index)} and ${lastOf(index)}
        ${
          person === undefined
            ? session``
            : session`and (principal = any(${session.array(principals)}::text[])
                or strpos(record, ${person}) > 0)`
        }
        ${agent === undefined ? session`` : session`and agent = ${agent}`}
        ${since === null ? session`` : session`and at >= ${since}`}
        ${until === null ? session`` : session`and at < ${until}`}
      limit 1`;
    return found.length > 0;
  }

  return {
    list: () => list(),
    async add({ id, reason, filters, at, by }) {
      await sql`insert into audit_holds (id, reason, filters, at, by)
        values (${id}, ${reason}, ${sql.json(filters)}, ${at}, ${by})`;
    },
    async remove(id) {
      await sql`delete from audit_holds where id = ${id}`;
    },
    async isHeld(segment, session) {
      for (const { id, filters } of await list(session)) {
        const key = `${id} ${segment.index}`;
        let holds = known.get(key);
        if (holds === undefined) {
          holds = await hasEntry(session ?? sql, filters, segment);
          if (known.size >= MAX_KNOWN) known.clear();
          known.set(key, holds);
        }
        if (holds) return true;
      }
      return false;
    },
  };
}
