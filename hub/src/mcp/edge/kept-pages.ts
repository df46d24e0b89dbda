import type { PendingQuery, Row, Sql, TransactionSql } from "postgres";
import type { PageName } from "../core/pages.ts";

const KEPT_FOR_MS = 60 * 60_000;
/** Answers that one principal has kept, and their bytes. */
const MAX_KEPT = 20;
const MAX_BYTES = 32 * 1024 * 1024;
/** The same of all principals of the database together. */
const MAX_KEPT_OF_ALL = 1_000;
const MAX_BYTES_OF_ALL = 256 * 1024 * 1024;

/**
 * Pages of long answers, kept for an hour for the principal that asked. Every hub of the database
 * reads them. Not durable. The oldest answers go when there are too many.
 */
export type KeptPages = {
  keep(id: string, principal: string, pages: readonly string[]): Promise<void>;
  /** Null for a page that there is not, or that is another principal's. */
  read(name: PageName, principal: string): Promise<{ text: string; pages: number } | null>;
  /** Deletes what is older than an hour. */
  expire(): Promise<void>;
};

export function createKeptPages(sql: Sql, now: () => Date): KeptPages {
  return {
    async keep(id, principal, pages) {
      const expiresAt = new Date(now().getTime() + KEPT_FOR_MS);
      await sql.begin(async (tx) => {
        await tx`delete from kept_pages where expires_at <= ${now()}`;
        for (const [index, text] of pages.entries()) {
          await tx`insert into kept_pages (id, page, principal, text, expires_at)
            values (${id}, ${index + 1}, ${principal}, ${text}, ${expiresAt})`;
        }
        await dropBeyond(tx, tx`where principal = ${principal}`, MAX_KEPT, MAX_BYTES);
        await dropBeyond(tx, tx``, MAX_KEPT_OF_ALL, MAX_BYTES_OF_ALL);
      });
    },
    async read({ id, page }, principal) {
      const [found] = await sql<{ text: string; pages: number }[]>`
        select text, (select count(*)::integer from kept_pages where id = ${id}) as pages
        from kept_pages
        where id = ${id} and page = ${page} and principal = ${principal} and expires_at > ${now()}`;
      return found ?? null;
    },
    async expire() {
      await sql`delete from kept_pages where expires_at <= ${now()}`;
    },
  };
}

/** Deletes the oldest answers of those that are chosen. */
async function dropBeyond(
  tx: TransactionSql,
  chosen: PendingQuery<Row[]>,
  most: number,
  mostBytes: number,
): Promise<void> {
  await tx`
    with kept as (
      select id, max(expires_at) as expires_at, sum(octet_length(text)) as bytes
      from kept_pages ${chosen} group by id
    ), ranked as (
      select id, row_number() over newest as place, sum(bytes) over newest as total
      from kept window newest as (order by expires_at desc, id)
    )
    delete from kept_pages where id in (
      select id from ranked where place > ${most} or total > ${mostBytes}
    )`;
}
