import {
  type AuditEvent,
  type AuditPage,
  type AuditRecord,
  buildAuditRecord,
  parseAuditEntry,
} from "@sonde/schemas/audit";
import { parseJson } from "@sonde/schemas/parse";
import type { LogHead } from "@sonde/schemas/wire";
import { chainRecord, headAfter } from "@sonde/trust/chain";
import type { Sql, TransactionSql } from "postgres";

/** Who changes rights: `operator`, `token:ID` or `trusted-publisher:ID`. */
export type Actor = string;

/** Adds a record to a change. It is durable with the change, or neither is. */
export type Note = (event: AuditEvent, by: Actor, detail: Record<string, unknown>) => void;

/**
 * The registry's record of who changed rights: one hash chain in the database. A change of rights
 * and its records are one transaction, and changes run one at a time. So a change that is not
 * recorded did not happen, and of two changes at once the second sees all of the first.
 */
export type RightsLog = {
  /** @throws what `work` throws; then nothing has changed and nothing is recorded */
  change<T>(work: (tx: TransactionSql, note: Note) => Promise<T>): Promise<T>;
  append(record: AuditRecord): Promise<void>;
  read(afterSeq: number, limit: number): Promise<AuditPage>;
};

type Row = { seq: string; previous: string; hash: string; record: string };

export function createRightsLog(sql: Sql, now: () => Date): RightsLog {
  async function chain<T>(
    work: (tx: TransactionSql, add: (record: AuditRecord) => void) => Promise<T>,
  ): Promise<T> {
    const done = await sql.begin(async (tx) => {
      // The row's lock makes changes run one at a time.
      let head = readHead(await tx`select size, hash from audit_head for update`);
      const records: AuditRecord[] = [];
      const result = await work(tx, (record) => records.push(record));
      for (const record of records) {
        const entry = chainRecord(head, record);
        head = headAfter(entry);
        await tx`insert into audit_log (seq, previous, hash, event, record)
          values (${entry.seq}, ${entry.previous}, ${entry.hash}, ${record.event},
            ${JSON.stringify(record)})`;
      }
      await tx`update audit_head set size = ${head.size}, hash = ${head.hash}`;
      return { result };
    });
    return done.result;
  }

  return {
    change: (work) =>
      chain((tx, add) =>
        work(tx, (event, by, detail) =>
          add(buildAuditRecord(now(), event, { principal: by, detail })),
        ),
      ),
    append: (record) =>
      chain((_tx, add) => {
        add(record);
        return Promise.resolve();
      }),
    async read(afterSeq, limit) {
      const head = readHead(await sql`select size, hash from audit_head`);
      const rows = await sql<Row[]>`select seq, previous, hash, record from audit_log
        where seq > ${afterSeq} and seq <= ${head.size} order by seq limit ${limit}`;
      const entries = rows.map(({ seq, record, ...rest }) =>
        parseAuditEntry({
          ...rest,
          seq: Number(seq),
          record: parseJson(record, "audit record", "AUDIT_UNAVAILABLE"),
        }),
      );
      return { entries, head };
    },
  };
}

function readHead(rows: readonly { size?: string; hash?: LogHead["hash"] }[]): LogHead {
  const [row] = rows;
  if (row?.size === undefined || row.hash === undefined) throw new Error("audit_head has no row");
  return { size: Number(row.size), hash: row.hash };
}
