import { SondeError } from "@sonde/schemas/errors";
import { type PackName } from "@sonde/schemas/names";
import type { ISql, Sql } from "postgres";
import { normaliseName, tooLike } from "../../core/name-rules.ts";
import { NEW_LIFE } from "../../core/pack-life.ts";

/** The names of packs, no two of them alike. */
export function createNameStore(sql: Sql) {
  return {
    /** The pack that has this name or one like it; null when the name is free. */
    async findLike(name: PackName): Promise<PackName | null> {
      const [row] = await sql<{ name: PackName }[]>`select name from pack_names
        where name = ${name} or normal_name = ${normaliseName(name)}
        order by name <> ${name} limit 1`;
      return row?.name ?? null;
    },

    /** The packs that people mean: those with the most versions. */
    async listPopular(limit: number): Promise<PackName[]> {
      const rows = await sql<{ name: PackName }[]>`select name from versions
        group by name order by count(*) desc, name limit ${limit}`;
      return rows.map(({ name }) => name);
    },

    /**
     * Within the transaction that publishes its first version. The unique index
     * decides: of two names that are alike, at once, one is first.
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
