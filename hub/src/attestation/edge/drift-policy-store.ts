import type { DriftAction, DriftPolicy, DriftSelector } from "@sonde/schemas/hub";
import type { Sql } from "postgres";

type Row = { on: DriftSelector; action: DriftAction; setBy: string; setAt: Date };

/** Stores what the hub does about drift, by tag. */
export function createDriftPolicyStore(sql: Sql) {
  return {
    /** Read at each use, so that the change of one hub counts for the others at once. */
    async list(): Promise<DriftPolicy["rules"]> {
      const rows = await sql<Row[]>`select selector as on, action, set_by as "setBy",
        set_at as "setAt" from drift_policy order by selector`;
      return rows.map((row) => ({ ...row, setAt: row.setAt.toISOString() }));
    },
    async set(on: DriftSelector, action: DriftAction, by: string, at: Date): Promise<void> {
      await sql`insert into drift_policy (selector, action, set_by, set_at)
        values (${on}, ${action}, ${by}, ${at})
        on conflict (selector) do update set action = excluded.action, set_by = excluded.set_by,
          set_at = excluded.set_at`;
    },
    async remove(on: DriftSelector): Promise<void> {
      await sql`delete from drift_policy where selector = ${on}`;
    },
  };
}
export type DriftPolicyStore = ReturnType<typeof createDriftPolicyStore>;
