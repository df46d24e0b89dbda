import type { Sql } from "postgres";

/** The right to serve one receiver. It ends when another hub takes it. */
export type Lease = { name: string; epoch: string };

/**
 * Leases over the rows of a table that has `name`, `holder` and `epoch`: one hub of a database serves a
 * receiver at a time. Whoever holds one writes the row only where holder and epoch are still its own.
 */
export type Leases<Row> = {
  /**
   * Takes the row, unless a hub that runs has it. The former holder then cannot save any more, so two
   * hubs never both go on.
   *
   * @param running the hubs that run now
   * @returns null when another hub has it
   */
  take(name: string, running: readonly string[]): Promise<{ lease: Lease; row: Row } | null>;
  release(lease: Lease): Promise<void>;
};

/** @param self this hub's name */
export function createLeases<Row extends { epoch: string }>(
  sql: Sql,
  table: "audit_sinks" | "audit_witnesses",
  self: string,
): Leases<Row> {
  return {
    async take(name, running) {
      const [row] = await sql<[Row?]>`
        update ${sql(table)} set holder = ${self}::uuid, epoch = epoch + 1
        where name = ${name} and (
          holder is null or holder = ${self}::uuid
          or holder <> all(${sql.array([...running])}::uuid[])
        ) returning *`;
      return row === undefined ? null : { lease: { name, epoch: row.epoch }, row };
    },
    async release({ name, epoch }) {
      await sql`
        update ${sql(table)} set holder = null
        where name = ${name} and holder = ${self}::uuid and epoch = ${epoch}`;
    },
  };
}
