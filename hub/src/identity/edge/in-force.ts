import type { Sql, TransactionSql } from "postgres";

/**
 * SQL that is true while a person is there and not disabled.
 *
 * @param id the column with the person's id
 */
export function personInForce(sql: Sql | TransactionSql, id: string) {
  return sql`exists (
    select 1 from people p where p.id = ${sql(id)} and p.disabled_at is null)`;
}

/**
 * SQL that is true while whoever made something is in force: a person, a key or an OAuth grant, each
 * with the person behind it. What somebody gave ends with them: it may have been given by a thief.
 *
 * @param by the column with the maker's `subject.id`; null in it stands for the hub itself
 */
export function makerInForce(sql: Sql | TransactionSql, by: string) {
  const maker = sql(by);
  return sql`(
    ${maker} is null
    or exists (select 1 from people p
      where 'person:' || p.id = ${maker} and p.disabled_at is null)
    or exists (select 1 from api_keys k
      where 'key:' || k.id = ${maker} and k.revoked_at is null
        and (k.person_id is null or ${personInForce(sql, "k.person_id")}))
    or exists (select 1 from oauth_grants g
      where 'grant:' || g.id = ${maker} and g.ended_at is null
        and ${personInForce(sql, "g.person_id")}))`;
}
