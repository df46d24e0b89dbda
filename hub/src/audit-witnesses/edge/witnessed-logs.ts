import type { Tree } from "@sonde/trust/log";
import type { Sql } from "postgres";
import { type Growth, NOTHING_SEEN } from "../core/judge-growth.ts";

/** What this hub has cosigned of other logs. */
export type WitnessedLogs = {
  /**
   * Replaces what was seen of a log by `stated` if `judge` calls it grown. One request of a log is judged
   * at a time, over all hubs of the database. Durable when it resolves.
   *
   * @returns the verdict, and the size that was seen before
   */
  advance(
    log: { origin: string; stated: Tree },
    judge: (seen: Tree) => Growth,
  ): Promise<{ verdict: Growth; seen: number }>;
  /** What was cosigned last of a log; null before the first. */
  read(origin: string): Promise<Tree | null>;
  /**
   * Forgets what was cosigned of a log, if it is still `seen`. Durable when it resolves.
   *
   * @returns false, with nothing changed, when another checkpoint was cosigned meanwhile
   */
  forget(origin: string, seen: Tree): Promise<boolean>;
};

type Row = { size: string; root: Buffer };

export function createWitnessedLogs(sql: Sql): WitnessedLogs {
  return {
    async advance({ origin, stated }, judge) {
      return await sql.begin(async (tx) => {
        await tx`
          insert into witnessed_logs (origin, size, root)
          values (${origin}, ${NOTHING_SEEN.size}, ${NOTHING_SEEN.root})
          on conflict (origin) do nothing`;
        const [row] = await tx<Row[]>`
          select size, root from witnessed_logs where origin = ${origin} for update`;
        const seen = row === undefined ? NOTHING_SEEN : { size: Number(row.size), root: row.root };
        const verdict = judge(seen);
        if (verdict === "grown") {
          await tx`
            update witnessed_logs set size = ${stated.size}, root = ${stated.root}
            where origin = ${origin}`;
        }
        return { verdict, seen: seen.size };
      });
    },
    async read(origin) {
      const [row] = await sql<Row[]>`
        select size, root from witnessed_logs where origin = ${origin} and size > 0`;
      return row === undefined ? null : { size: Number(row.size), root: row.root };
    },
    async forget(origin, { size, root }) {
      const rows = await sql`
        delete from witnessed_logs
        where origin = ${origin} and size = ${size} and root = ${root}
        returning 1`;
      return rows.length === 1;
    },
  };
}
