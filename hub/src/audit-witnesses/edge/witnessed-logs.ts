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
};

export function createWitnessedLogs(sql: Sql): WitnessedLogs {
  return {
    async advance({ origin, stated }, judge) {
      return await sql.begin(async (tx) => {
        await tx`
          insert into witnessed_logs (origin, size, root)
          values (${origin}, ${NOTHING_SEEN.size}, ${NOTHING_SEEN.root})
          on conflict (origin) do nothing`;
        const [row] = await tx<{ size: string; root: Buffer }[]>`
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
  };
}
