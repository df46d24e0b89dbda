import type { ReservedSql } from "postgres";

/**
 * What is true of running hubs only, and of the schema itself. A restored hub knows no session, link
 * or challenge: those that ended since the backup would come back.
 */
const LEFT_OUT = [
  ...["hubs", "schema_migrations"],
  ...["person_sessions", "person_links", "used_challenges"],
];

/** The hub's tables, each after those that it refers to. What may be lost is in unlogged ones. */
export async function listTables(session: ReservedSql): Promise<string[]> {
  const tables = await session<{ name: string }[]>`
    select relname as name from pg_class
    where relkind = 'r' and relpersistence <> 'u' and relnamespace = 'hub'::regnamespace
      and relname <> all(${LEFT_OUT}) order by relname`;
  const references = await session<{ name: string; to: string }[]>`
    select c.conrelid::regclass::text as name, c.confrelid::regclass::text as to
    from pg_constraint c where c.contype = 'f' and c.connamespace = 'hub'::regnamespace
      and c.conrelid <> c.confrelid`;
  const waiting = new Set(tables.map(({ name }) => name));
  const ordered: string[] = [];
  while (waiting.size > 0) {
    const next = [...waiting].filter((name) =>
      references.every((reference) => reference.name !== name || !waiting.has(reference.to)),
    );
    if (next.length === 0) throw new Error("expected no tables that refer to each other");
    for (const name of next) waiting.delete(name);
    ordered.push(...next);
  }
  return ordered;
}

/** The columns that number rows by themselves go on after the highest number that was restored. */
export async function raiseSequences(session: ReservedSql): Promise<void> {
  const columns = await session<{ table: string; column: string; sequence: string }[]>`
    select table_name as table, column_name as column,
      pg_get_serial_sequence(format('%I.%I', table_schema, table_name), column_name) as sequence
    from information_schema.columns where table_schema = 'hub' and is_identity = 'YES'`;
  for (const { table, column, sequence } of columns) {
    await session`select setval(${sequence}::regclass,
      (select coalesce(max(${session(column)}), 0) + 1 from ${session(table)}), false)`;
  }
}
