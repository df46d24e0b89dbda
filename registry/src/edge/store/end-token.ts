import type { TransactionSql } from "postgres";
import type { Actor, Note } from "./rights-log.ts";

/** What ends, and who ends it when. */
type End = { id: string; at: Date; by: Actor };

/**
 * Ends a token or a trusted publisher with everything that was made with it: further tokens, trusted
 * publishers, and what these made. Otherwise a stolen token could outlive its revocation. Each end is
 * recorded.
 */
export async function endToken(tx: TransactionSql, note: Note, end: End): Promise<void> {
  const { id, at, by } = end;
  const ended = await tx<{ id: string }[]>`
    with recursive ended(id) as (
      select ${id}::text
      union
      select made.id from ended cross join lateral (
        select id::text from publisher_tokens where created_by = ended.id
        union all
        select id::text from trusted_publishers where created_by = ended.id
      ) made
    ) select id from ended`;
  const ids = ended.map((row) => row.id);
  const revoked = await tx<{ id: string; publisher: string }[]>`
    update publisher_tokens set revoked_at = ${at}
    where id::text = any(${ids}) and revoked_at is null returning id, publisher`;
  const removed = await tx<{ id: string; publisher: string }[]>`
    delete from trusted_publishers where id::text = any(${ids}) returning id, publisher`;
  const describe = (row: { id: string; publisher: string }) => ({
    ...row,
    ...(row.id !== id && { endedWith: id }),
  });
  for (const row of revoked) note("token.revoked", by, describe(row));
  for (const row of removed) note("trusted-publisher.removed", by, describe(row));
}
