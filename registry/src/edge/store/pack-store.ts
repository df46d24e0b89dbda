import { type Manifest } from "@sonde/schemas/manifest";
import { type Digest, type PackName, type Version } from "@sonde/schemas/names";
import { type PackLife, type VersionDetails } from "@sonde/schemas/registry";
import { RELEASE } from "@sonde/schemas/release";
import { deriveReach } from "@sonde/sources";
import type { Sql, TransactionSql } from "postgres";
import type { AcceptedVersion } from "../../core/stored-version.ts";
import { findLatest, newestFirst } from "../../core/order-versions.ts";
import { saidOf } from "../../core/pack-life.ts";
import { buildSearchText } from "../../core/search-text.ts";

/** How many packs are derived again in one transaction. */
const DERIVED_AT_ONCE = 200;

/** The version whose words a pack shows and is found by. */
type ShownVersion = Pick<AcceptedVersion, "name" | "version" | "manifest"> & {
  publishedAt: string | Date;
};

/**
 * Stores one row for each pack, for lists and searches. Each publish and each withdrawal updates
 * the row in its own transaction.
 *
 * @param readReadme returns the README of an archive, as Markdown
 */
export function createPackStore(sql: Sql, readReadme: (digest: Digest) => Promise<string>) {
  /** Writes all of a row at once: each write makes its entries in all indexes anew. */
  async function writeRow(
    transaction: TransactionSql,
    latest: Version | null,
    shown: ShownVersion,
    readme: string,
    life: PackLife,
  ): Promise<void> {
    const { name, version, manifest, publishedAt } = shown;
    const text = buildSearchText(manifest, readme);
    const { reach, said, categories, engines } = derive(shown, life);
    await transaction`
      insert into packs (name, latest, version, description, published_at, first_published_at,
        reach, said, categories, engines, derived_by, names, spelling, title, words)
      select ${name}, ${latest}, ${version}, ${manifest.description}, ${publishedAt},
        ${publishedAt}, ${reach}, ${said}, ${categories}::text[], ${engines}::text[], ${RELEASE},
        to_tsvector('simple', ${text.name}), ${text.name}, title,
        title || setweight(to_tsvector('english', ${text.readme}), 'D')
      from (select setweight(to_tsvector('english', ${text.name}), 'A')
        || setweight(to_tsvector('english', ${text.description}), 'B')
        || setweight(to_tsvector('english', ${text.probes}), 'C') as title) as titles
      on conflict (name) do update set latest = excluded.latest, version = excluded.version,
        description = excluded.description, published_at = excluded.published_at,
        reach = excluded.reach, said = excluded.said, categories = excluded.categories,
        engines = excluded.engines, derived_by = excluded.derived_by,
        title = excluded.title, words = excluded.words`;
  }

  async function writeSaid(
    transaction: TransactionSql,
    name: PackName,
    life: PackLife,
  ): Promise<void> {
    const [row] = await transaction<{ version: Version }[]>`
      select version from packs where name = ${name}`;
    if (row === undefined) return;
    const said = JSON.stringify(saidOf(life, row.version));
    await transaction`update packs set said = ${said} where name = ${name}`;
  }

  const readVersions = (transaction: TransactionSql, name: PackName) =>
    transaction<{ version: Version }[]>`select version from versions where name = ${name}`;

  return {
    /**
     * Updates the row for a version that is being published. The pack's name must be claimed
     * already.
     */
    async indexVersion(
      transaction: TransactionSql,
      published: AcceptedVersion,
      readme: string,
    ): Promise<void> {
      const { name, version } = published;
      // Row lock: a concurrent publish and withdrawal run one after the other.
      const [row] = await transaction<{ life: string }[]>`
        select life from pack_names where name = ${name} for update`;
      const life = JSON.parse(row?.life ?? "") as PackLife;
      const [known] = await transaction<{ latest: Version | null }[]>`
        select latest from packs where name = ${name}`;
      // The known latest stands for all other versions, unless it was withdrawn.
      const before = known?.latest ? [{ version: known.latest }] : [];
      const others =
        findLatest(before, life) === null ? await readVersions(transaction, name) : before;
      const latest = findLatest([published, ...others], life);
      // An import may bring a first version that was withdrawn later.
      if (latest === version || known === undefined) {
        await writeRow(transaction, latest, published, readme, life);
      }
    },

    /**
     * Updates the row for a version that is withdrawn or restored. The caller has locked the pack's
     * life.
     */
    async followLife(transaction: TransactionSql, name: PackName, life: PackLife): Promise<void> {
      const versions = newestFirst(await readVersions(transaction, name));
      const latest = findLatest(versions, life);
      // Without a latest version the newest one is shown, though it was withdrawn.
      const shown = latest ?? versions[0]?.version ?? "";
      const [row] = await transaction<
        { digest: Digest; manifest: string; publishedAt: Date; before: Version | null }[]
      >`select digest, manifest, versions.published_at as "publishedAt", latest as before
        from versions join packs using (name)
        where name = ${name} and versions.version = ${shown}`;
      if (row === undefined || (row.before === latest && latest !== null)) return;
      const { digest, manifest, publishedAt } = row;
      // A withdrawal must not wait for an unreadable archive. The pack then loses its README's
      // words.
      const readme = await readReadme(digest).catch(() => "");
      const about = {
        name,
        version: shown,
        manifest: JSON.parse(manifest) as Manifest,
        publishedAt,
      };
      await writeRow(transaction, latest, about, readme, life);
    },

    /** Updates what is said about the version that is shown, in the transaction that says it. */
    writeSaid,

    /**
     * Derives again what an earlier release derived, or none. Ends when every row is of this release.
     * Each transaction is small, and a killed registry goes on at its next start.
     */
    async deriveOutdated(): Promise<void> {
      for (let after: PackName | undefined = ""; after !== undefined; ) {
        const from: PackName = after;
        after = await sql.begin(async (transaction) => {
          const rows = await transaction<
            { name: PackName; latest: Version | null; life: string }[]
          >`
            select name, latest, life from packs join pack_names using (name)
            where derived_by <> ${RELEASE} and name > ${from}
            order by name limit ${DERIVED_AT_ONCE}`;
          for (const { name, latest, life } of rows) {
            const shown = latest ?? newestFirst(await readVersions(transaction, name))[0]?.version;
            const [stored] = await transaction<{ manifest: string }[]>`
              select manifest from versions where name = ${name} and version = ${shown ?? ""}`;
            if (stored === undefined || shown === undefined) continue;
            const about = { version: shown, manifest: JSON.parse(stored.manifest) as Manifest };
            const { reach, said, categories, engines } = derive(
              about,
              JSON.parse(life) as PackLife,
            );
            await transaction`update packs set version = ${shown}, reach = ${reach}, said = ${said},
              categories = ${categories}::text[], engines = ${engines}::text[],
              derived_by = ${RELEASE} where name = ${name}`;
          }
          return rows.at(-1)?.name;
        });
      }
    },

    /**
     * Adds counted downloads, atomically.
     *
     * @param counts downloads of each version since the last call
     */
    async addDownloads(
      counts: readonly { name: string; version: string; count: number }[],
    ): Promise<void> {
      // A fixed order of rows prevents deadlocks between two writers.
      const sorted = counts.toSorted((a, b) => (a.name < b.name ? -1 : 1));
      const rows = sql`select * from unnest(${sorted.map(({ name }) => name)}::text[],
        ${sorted.map(({ version }) => version)}::text[],
        ${sorted.map(({ count }) => count)}::bigint[]) as counted (name, version, count)`;
      await sql.begin(async (transaction) => {
        await transaction`
          insert into version_downloads as kept (name, version, downloads) ${rows}
          on conflict (name, version) do update set downloads = kept.downloads + excluded.downloads`;
        await transaction`
          update packs set downloads = downloads + total
          from (select name, sum(count)::bigint as total from (${rows}) as counted group by name)
            as totals where packs.name = totals.name`;
      });
    },

    /**
     * Returns what is shown with a version besides its own data.
     *
     * @returns null when there is no such pack
     */
    async readPack(
      name: string,
      version: string,
    ): Promise<Pick<VersionDetails, "latest" | "downloads" | "warnings"> | null> {
      const [row] = await sql<
        { latest: Version | null; pack: string; version: string | null; warnings: string[] }[]
      >`select latest, packs.downloads as pack, version_downloads.downloads as version,
          array(select distinct unnest(versions.warnings) from versions
            where versions.name = packs.name) as warnings
        from packs left join version_downloads
          on version_downloads.name = packs.name and version_downloads.version = ${version}
        where packs.name = ${name}`;
      if (row === undefined) return null;
      const { latest, warnings } = row;
      const downloads = { pack: Number(row.pack), version: Number(row.version ?? 0) };
      return { latest, downloads, warnings };
    },
  };
}
export type PackStore = ReturnType<typeof createPackStore>;

/** What a row says of its version beside its words: two texts of JSON, and two lists. */
function derive({ version, manifest }: Pick<ShownVersion, "version" | "manifest">, life: PackLife) {
  const reach = deriveReach(manifest);
  return {
    reach: JSON.stringify(reach),
    said: JSON.stringify(saidOf(life, version)),
    categories: reach.reads.map(({ category }) => category),
    engines: reach.engines,
  };
}
