import { createHash } from "node:crypto";
import type { Sql } from "postgres";
import { DatabaseError } from "./database-error.ts";

/**
 * One step of a schema: plain SQL that runs once. New steps run in the order given. A
 * step is identified by its name, so that each part of a service can have a list of its
 * own.
 */
export type Migration = { name: string; sql: string };

/**
 * An arbitrary number, the same in every process, so that concurrent starts wait for each
 * other.
 */
const ADVISORY_LOCK = 736_017_101;

/**
 * Migrates one schema of a database to the newest version. Each migration runs in a
 * transaction of its own, under one advisory lock. Concurrent calls are safe, and a
 * killed process leaves complete steps only.
 *
 * @throws DatabaseError when the text of an applied migration has changed, when two have
 *   the same name, or when the database is newer than this program
 */
export async function migrate(sql: Sql, schema: string, migrations: Migration[]): Promise<void> {
  // The driver forgets who waits for a session of a connection that is cut while it is made.
  await sql`select 1`;
  const session = await sql.reserve();
  try {
    await session`select pg_advisory_lock(${ADVISORY_LOCK})`;
    // A login with rights on its own schema only may create none, not even with `if not exists`.
    const known = await session`select 1 from pg_namespace where nspname = ${schema}`;
    if (known.length === 0) await session`create schema ${session(schema)}`;
    await session`
      create table if not exists schema_migrations (
        position integer primary key,
        name text not null,
        sha256 text not null,
        applied_at timestamptz not null default now()
      )`;
    const applied = await session<{ name: string; sha256: string }[]>`
      select name, sha256 from schema_migrations order by position`;
    let position = applied.length;
    for (const migration of findNew(applied, migrations)) {
      await session`begin`;
      try {
        await session.unsafe(migration.sql);
        await session`
          insert into schema_migrations (position, name, sha256)
          values (${position}, ${migration.name}, ${sha256(migration.sql)})`;
        await session`commit`;
        position += 1;
      } catch (cause) {
        await session`rollback`;
        throw new DatabaseError(`migration ${migration.name} failed and was rolled back`, {
          cause,
        });
      }
    }
  } finally {
    await session`select pg_advisory_unlock(${ADVISORY_LOCK})`;
    session.release();
  }
}

function findNew(applied: { name: string; sha256: string }[], known: Migration[]): Migration[] {
  const byName = new Map(known.map((migration) => [migration.name, migration]));
  if (byName.size < known.length) throw new DatabaseError("expected one migration of each name");
  for (const row of applied) {
    const migration = byName.get(row.name);
    if (migration === undefined) {
      throw new DatabaseError(
        `expected no migration ${row.name} in the database: it was used by a newer version`,
      );
    }
    if (sha256(migration.sql) !== row.sha256) {
      throw new DatabaseError(`migration ${row.name} has changed since it was applied`);
    }
    byName.delete(row.name);
  }
  return [...byName.values()];
}

function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}
