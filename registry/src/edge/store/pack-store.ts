import { type Manifest } from "@sonde/schemas/manifest";
import { type Digest, type PackName, type Version } from "@sonde/schemas/names";
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

/** How many packs each way to match may bring to the ranking. */
const CANDIDATES = 200;

type Fragment = PendingQuery<Row[]>;

/** A page of packs: at most `limit` of them, from where `cursor` says. */
export type PageRequest = { limit: number; cursor: string | null };

type PackRow = {
  name: PackName;
  latest: Version | null;
  description: string;
  publishedAt: Date;
  downloads: string;
};

/** The version whose words a pack is shown and found by. */
type ShownVersion = Pick<AcceptedVersion, "name" | "manifest"> & { publishedAt: string | Date };

/** Where a page of search results ended; results are ordered by exactly these. */
const SearchCursor = Type.Object(
  {
    score: Type.String({ pattern: "^[0-9]{1,3}\\.[0-9]{2}$" }),
    downloads: Type.Integer({ minimum: 0 }),
    name: Type.String({ maxLength: 79 }),
  },
  { additionalProperties: false },
);
const parseSearchCursor = buildParser(SearchCursor, "cursor", "BAD_REQUEST");

/**
 * The packs, one row each, as lists and searches show them. A row follows its
 * pack's versions: each publish and each withdrawal says so in its own transaction.
 *
 * @param readReadme the README of an archive, as Markdown
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
    /** Takes note of a version that is being published, whose pack has a name by now. */
    async indexVersion(
      transaction: TransactionSql,
      published: AcceptedVersion,
      readme: string,
    ): Promise<void> {
      const { name, version } = published;
      // Locked, so that of a publish and a withdrawal at once the later one knows of the other.
      const [row] = await transaction<{ life: string }[]>`
        select life from pack_names where name = ${name} for update`;
      const life = JSON.parse(row?.life ?? "") as PackLife;
      const [known] = await transaction<{ latest: Version | null }[]>`
        select latest from packs where name = ${name}`;
      // The latest speaks for all others, however many, unless it was withdrawn by now.
      const before = known?.latest ? [{ version: known.latest }] : [];
      const others =
        findLatest(before, life) === null ? await readVersions(transaction, name) : before;
      const latest = findLatest([published, ...others], life);
      // The first that is imported may have been withdrawn since.
      if (latest === version || known === undefined) {
        await writeRow(transaction, latest, published, readme);
      }
    },

    /** Takes note of a version that is being withdrawn, or stands again, by whoever has locked its life. */
    async followLife(transaction: TransactionSql, name: PackName, life: PackLife): Promise<void> {
      const versions = newestFirst(await readVersions(transaction, name));
      const latest = findLatest(versions, life);
      // Of a pack without a latest version the newest is shown, withdrawn as it is.
      const shown = latest ?? versions[0]?.version ?? "";
      const [row] = await transaction<
        { digest: Digest; manifest: string; publishedAt: Date; before: Version | null }[]
      >`select digest, manifest, versions.published_at as "publishedAt", latest as before
        from versions join packs using (name) where name = ${name} and version = ${shown}`;
      if (row === undefined || (row.before === latest && latest !== null)) return;
      const { digest, manifest, publishedAt } = row;
      // A withdrawal does not wait for an archive that cannot be read: its pack is found by less.
      const readme = await readReadme(digest).catch(() => "");
      const about = { name, manifest: JSON.parse(manifest) as Manifest, publishedAt };
      await writeRow(transaction, latest, about, readme);
    },

    /** Every pack, by name. The cursor is the last name seen. */
    async listPacks({ limit, cursor }: PageRequest): Promise<PackList> {
      const rows = await sql<PackRow[]>`
        select ${columns} from packs where name > ${cursor ?? ""} order by name limit ${limit + 1}`;
      return buildPage(rows, limit, ({ name }) => name);
    },

    /**
     * Packs whose names, descriptions, probes or README match, the best first;
     * among equals the more downloaded. An empty text matches every pack. When
     * nothing matches, one page of packs with names like it.
     *
     * Ranked are the most downloaded of those that match by name, by title and
     * anywhere, CANDIDATES of each, so that a common word costs no more than others.
     *
     * @throws SondeError BAD_REQUEST for a cursor that no answer gave
     */
    async searchPacks(typed: string, { limit, cursor }: PageRequest): Promise<PackList> {
      const query = readSearchQuery(typed);
      const after = cursor === null ? null : readCursor(cursor);
      const matches = query.spoken === "" ? sql`select *, 0.00 as score from packs` : rank(query);
      const rows = await sql.begin("read only", async (transaction) => {
        // How common the words are decides how they are best looked up.
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
     * Adds counted downloads, all or none.
     *
     * @param counts how often each version was downloaded since the last call
     */
    async addDownloads(
      counts: readonly { name: string; version: string; count: number }[],
    ): Promise<void> {
      // In one order everywhere, so that two writers never wait for each other in a circle.
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
     * What else is shown with a version of a pack.
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
