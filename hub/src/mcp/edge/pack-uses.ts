import type { Sql } from "postgres";

const DAY_MS = 24 * 60 * 60_000;
/** Older uses no longer count. */
const COUNTED_DAYS = 30;

/**
 * How often packs were used, by all hubs of the database. What a list has depends on it, so it
 * changes once a day: only days that are over count. Durable but for the last minute.
 */
export type PackUses = {
  count(pack: string): void;
  /** Uses on the last 30 days that are over, as they were last read. */
  usesOf(pack: string): number;
  /** Writes what was counted, and reads the uses anew. */
  refresh(): Promise<void>;
};

export async function openPackUses(sql: Sql, now: () => Date): Promise<PackUses> {
  const counted = new Map<string, number>();
  let uses = new Map<string, number>();

  function count(pack: string, times: number): void {
    counted.set(pack, (counted.get(pack) ?? 0) + times);
  }

  async function write(): Promise<void> {
    const rows = [...counted].map(([pack, times]) => ({ pack, day: dayOf(0), uses: times }));
    if (rows.length === 0) return;
    counted.clear();
    try {
      await sql`insert into pack_uses ${sql(rows)}
        on conflict (pack, day) do update set uses = pack_uses.uses + excluded.uses`;
    } catch (thrown) {
      for (const { pack, uses: again } of rows) count(pack, again);
      throw thrown;
    }
  }

  async function read(): Promise<void> {
    const rows = await sql<{ pack: string; uses: number }[]>`
      select pack, sum(uses)::integer as uses from pack_uses
      where day < ${dayOf(0)} and day >= ${dayOf(COUNTED_DAYS)} group by pack`;
    uses = new Map(rows.map((row) => [row.pack, row.uses]));
    await sql`delete from pack_uses where day < ${dayOf(COUNTED_DAYS)}`;
  }

  function dayOf(before: number): string {
    return new Date(now().getTime() - before * DAY_MS).toISOString().slice(0, 10);
  }

  await read();
  return {
    count: (pack) => count(pack, 1),
    usesOf: (pack) => uses.get(pack) ?? 0,
    async refresh() {
      await write();
      await read();
    },
  };
}
