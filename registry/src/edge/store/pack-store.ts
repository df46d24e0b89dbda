import { type Manifest } from "@sonde/schemas/manifest";
import { type Digest, PackName, type Version } from "@sonde/schemas/names";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import {
  type PackLife,
  type PackList,
  type PackSummary,
  type VersionDetails,
} from "@sonde/schemas/registry";
import type { PendingQuery, Row, Sql, TransactionSql } from "postgres";
import { type Static, Type } from "typebox";
import type { AcceptedVersion } from "../../core/stored-version.ts";
import { findLatest, newestFirst } from "../../core/order-versions.ts";
import { type SearchQuery, buildSearchText, readSearchQuery } from "../../core/search-text.ts";

/** How many packs each way to match contributes to the ranking. */
const CANDIDATES = 200;

type Fragment = PendingQuery<Row[]>;

/** A page of at most `limit` packs, starting after `cursor`. */
export type PageRequest = { limit: number; cursor: string | null };

type PackRow = {
  name: PackName;
  latest: Version | null;
  description: string;
  publishedAt: Date;
  downloads: string;
};

/** The version whose words a pack shows and is found by. */
type ShownVersion = Pick<AcceptedVersion, "name" | "manifest"> & { publishedAt: string | Date };

/** Where a page of search results ended: the columns of the sort order. */
const SearchCursor = Type.Object(
  {
    score: Type.String({ pattern: "^[0-9]{1,3}\\.[0-9]{2}$" }),
    downloads: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    name: PackName,
  },
  { additionalProperties: false },
);
const parseSearchCursor = buildParser(SearchCursor, "cursor", "BAD_REQUEST");

/**
 * Stores one row for each pack, for lists and searches. Each publish and each withdrawal updates
 * the row in its own transaction.
 *
 * @param readReadme returns the README of an archive, as Markdown
 */
export function createPackStore(sql: Sql, readReadme: (digest: Digest) => Promise<string>) {
  const columns = sql`name, latest, description, published_at as "publishedAt", downloads`;

  function rank({ spoken, begun }: SearchQuery): Fragment {
    const said = sql`websearch_to_tsquery('english', ${spoken})`;
    const named = sql`names @@ to_tsquery('simple', ${begun})`;
    const best = (where: Fragment): Fragment =>
      sql`(select * from packs where ${where} order by downloads desc, name limit ${CANDIDATES})`;
    return sql`
      select *, round((ts_rank('{0, 0.2, 0.5, 1}', title, ${said}) + (${named})::int
        + (${spoken} in (name, split_part(name, '/', 2)))::int)::numeric, 2) as score
      from (select distinct on (name) * from (
        ${best(named)} union all ${best(sql`title @@ ${said}`)} union all ${best(sql`words @@ ${said}`)}
      ) as found order by name) as candidates`;
  }

  async function findAlike(spoken: string, limit: number): Promise<PackRow[]> {
    return await sql.begin("read only", async (transaction) => {
      await transaction`set local pg_trgm.word_similarity_threshold = 0.4`;
      return await transaction<PackRow[]>`
        select ${columns} from packs where ${spoken} <% spelling
        order by word_similarity(${spoken}, spelling) desc, downloads desc, name limit ${limit}`;
    });
  }

  async function writeRow(
    transaction: TransactionSql,
    latest: Version | null,
    { name, manifest, publishedAt }: ShownVersion,
    readme: string,
  ): Promise<void> {
    const text = buildSearchText(manifest, readme);
    await transaction`
      insert into packs (name, latest, description, published_at, names, spelling, title, words)
      select ${name}, ${latest}, ${manifest.description}, ${publishedAt},
        to_tsvector('simple', ${text.name}), ${text.name}, title,
        title || setweight(to_tsvector('english', ${text.readme}), 'D')
      from (select setweight(to_tsvector('english', ${text.name}), 'A')
        || setweight(to_tsvector('english', ${text.description}), 'B')
        || setweight(to_tsvector('english', ${text.probes}), 'C') as title) as titles
      on conflict (name) do update set latest = excluded.latest,
        description = excluded.description, published_at = excluded.published_at,
        title = excluded.title, words = excluded.words`;
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
        await writeRow(transaction, latest, published, readme);
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
        from versions join packs using (name) where name = ${name} and version = ${shown}`;
      if (row === undefined || (row.before === latest && latest !== null)) return;
      const { digest, manifest, publishedAt } = row;
      // A withdrawal must not wait for an unreadable archive. The pack then loses its README's
      // words.
      const readme = await readReadme(digest).catch(() => "");
      const about = { name, manifest: JSON.parse(manifest) as Manifest, publishedAt };
      await writeRow(transaction, latest, about, readme);
    },

    /** Lists every pack by name. The cursor is the last name of the previous page. */
    async listPacks({ limit, cursor }: PageRequest): Promise<PackList> {
      const rows = await sql<PackRow[]>`
        select ${columns} from packs where name > ${cursor ?? ""} order by name limit ${limit + 1}`;
      return buildPage(rows, limit, ({ name }) => name);
    },

    /**
     * Returns packs whose name, description, probes or README match, the best first, then by
     * downloads. An empty text matches every pack. Without a match it returns one page of packs
     * with similar names.
     *
     * Only the most downloaded matches are ranked: CANDIDATES by name, by title and by any word. So
     * a common word costs no more than a rare one.
     *
     * @throws SondeError BAD_REQUEST for a malformed cursor
     */
    async searchPacks(typed: string, { limit, cursor }: PageRequest): Promise<PackList> {
      const query = readSearchQuery(typed);
      const after = cursor === null ? null : readCursor(cursor);
      const matches = query.spoken === "" ? sql`select *, 0.00 as score from packs` : rank(query);
      const rows = await sql.begin("read only", async (transaction) => {
        // The best plan depends on how common the words are, so plan each search.
        await transaction`set local plan_cache_mode = force_custom_plan`;
        return await transaction<(PackRow & { score: string })[]>`
          select ${columns}, score from (${matches}) as matches
          ${after === null ? sql`` : sql`where (-score, -downloads, name) > (-${after.score}::numeric, -${after.downloads}::bigint, ${after.name})`}
          order by score desc, downloads desc, name limit ${limit + 1}`;
      });
      if (rows.length === 0 && after === null && query.spoken !== "") {
        return { packs: (await findAlike(query.spoken, limit)).map(buildSummary), cursor: null };
      }
      return buildPage(rows, limit, ({ score, downloads, name }) =>
        writeCursor({ score, downloads: Number(downloads), name }),
      );
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
    ): Promise<{ latest: Version | null; downloads: VersionDetails["downloads"] } | null> {
      const [row] = await sql<{ latest: Version | null; pack: string; version: string | null }[]>`
        select latest, packs.downloads as pack, version_downloads.downloads as version
        from packs left join version_downloads
          on version_downloads.name = packs.name and version = ${version}
        where packs.name = ${name}`;
      if (row === undefined) return null;
      const downloads = { pack: Number(row.pack), version: Number(row.version ?? 0) };
      return { latest: row.latest, downloads };
    },
  };
}
export type PackStore = ReturnType<typeof createPackStore>;

function buildPage<R extends PackRow>(
  rows: readonly R[],
  limit: number,
  cursorOf: (last: R) => string,
): PackList {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const cursor = rows.length > limit && last !== undefined ? cursorOf(last) : null;
  return { packs: shown.map(buildSummary), cursor };
}

function buildSummary({ name, latest, description, publishedAt, downloads }: PackRow): PackSummary {
  return {
    name,
    latest,
    description,
    publishedAt: publishedAt.toISOString(),
    downloads: Number(downloads),
  };
}

function writeCursor(last: Static<typeof SearchCursor>): string {
  return Buffer.from(JSON.stringify(last)).toString("base64url");
}

function readCursor(cursor: string): Static<typeof SearchCursor> {
  const text = Buffer.from(cursor, "base64url");
  return parseSearchCursor(parseJson(text, "cursor", "BAD_REQUEST"));
}
