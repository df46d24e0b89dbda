import { SondeError } from "@sonde/schemas/errors";
import { type PackName } from "@sonde/schemas/names";
import type { ISql, Sql } from "postgres";
import { normaliseName, tooLike } from "../../core/name-rules.ts";
import { NEW_LIFE } from "../../core/pack-life.ts";

/** Stores the names of packs. No two are look-alikes. */
export function createNameStore(sql: Sql) {
  return {
    /** Returns the pack with this name or a look-alike; null when the name is free. */
    async findLike(name: PackName): Promise<PackName | null> {
      const [row] = await sql<{ name: PackName }[]>`select name from pack_names
        where name = ${name} or normal_name = ${normaliseName(name)}
        order by name <> ${name} limit 1`;
      return row?.name ?? null;
    },

    /** Returns the most popular packs: those with the most versions. */
    async listPopular(limit: number): Promise<PackName[]> {
      const rows = await sql<{ name: PackName }[]>`select name from versions
        group by name order by count(*) desc, name limit ${limit}`;
      return rows.map(({ name }) => name);
    },

    /**
     * Claims a name in the transaction that publishes its first version. The unique index decides a
     * race between two look-alikes.
     *
     * @throws SondeError NAME_REFUSED
     */
    async claimPack(transaction: ISql, name: PackName): Promise<void> {
      const normal = normaliseName(name);
      await transaction`insert into pack_names (name, normal_name, life)
        values (${name}, ${normal}, ${JSON.stringify(NEW_LIFE)}) on conflict do nothing`;
      const [claimed] = await transaction`select 1 from pack_names where name = ${name}`;
      if (claimed !== undefined) return;
      const [holder] = await transaction<{ name: PackName }[]>`
        select name from pack_names where normal_name = ${normal}`;
      if (holder === undefined) throw new SondeError("INTERNAL", "expected a name, got none");
      throw tooLike(name, holder.name);
    },
  };
}
export type NameStore = ReturnType<typeof createNameStore>;
