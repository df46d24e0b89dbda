import { SondeError } from "@sonde/schemas/errors";
import { type Category, type Engine, type PackReach } from "@sonde/schemas/manifest";
import { PackName, type PublisherName, Timestamp, type Version } from "@sonde/schemas/names";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import type { PackCounts, PackList, PackOrder, PackSummary } from "@sonde/schemas/registry";
import type { PendingQuery, Row, Sql } from "postgres";
import { type Static, type TSchema, Type } from "typebox";
import { type SearchQuery, readSearchQuery } from "../../core/search-text.ts";

/** How many packs each way to match contributes to the ranking. */
export const CANDIDATES = 200;

type Fragment = PendingQuery<Row[]>;

/** What is looked for. Null leaves a filter out; without words every pack matches. */
export type PackQuery = {
  words: string;
  category: Category | null;
  engine: Engine | null;
  publisher: PublisherName | null;
};

/** A page of at most `limit` packs, starting after `cursor`. */
export type PageRequest = { limit: number; cursor: string | null };

type Said = Pick<PackSummary, "deprecated" | "advisories">;
type PackRow = {
  name: PackName;
  latest: Version | null;
  description: string;
  publishedAt: Date;
  firstPublishedAt: Date;
  downloads: string;
  reach: string;
  said: string;
  score: string;
};

const closed = { additionalProperties: false } as const;
/** Where a page ended: the columns of the order. */
const RankCursor = Type.Object(
  {
    score: Type.String({ pattern: "^[0-9]{1,3}\\.[0-9]{2}$" }),
    downloads: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    name: PackName,
  },
  closed,
);
const NameCursor = Type.Object({ name: PackName }, closed);
const DateCursor = Type.Object({ at: Timestamp, name: PackName }, closed);
const readRankCursor = buildCursorReader(RankCursor);
const readNameCursor = buildCursorReader(NameCursor);
const readTimeCursor = buildCursorReader(DateCursor);

/** Lists, searches and counts packs. It reads their rows only, no versions. */
export function createPackSearch(sql: Sql) {
  const columns = sql`name, latest, description, published_at as "publishedAt",
    first_published_at as "firstPublishedAt", downloads, reach, said`;

  /** The rows that a query matches, with a score that is 0 unless they are ranked. */
  function match(query: PackQuery, order: PackOrder): Fragment {
    const words = readSearchQuery(query.words);
    const kept = passes(query);
    if (words.spoken === "") return sql`select *, 0.00 as score from packs where ${kept}`;
    if (order === "match") return rank(words, kept);
    return sql`select *, 0.00 as score from packs where ${finds(words)} and ${kept}`;
  }

  function rank({ spoken, begun }: SearchQuery, kept: Fragment): Fragment {
    const said = sql`websearch_to_tsquery('english', ${spoken})`;
    const named = sql`names @@ to_tsquery('simple', ${begun})`;
    const best = (where: Fragment): Fragment =>
      sql`(select * from packs where ${where} and ${kept}
        order by downloads desc, name limit ${CANDIDATES})`;
    return sql`
      select *, round((ts_rank('{0, 0.2, 0.5, 1}', title, ${said}) + (${named})::int
        + (${spoken} in (name, split_part(name, '/', 2)))::int)::numeric, 2) as score
      from (select distinct on (name) * from (
        ${best(named)} union all ${best(sql`title @@ ${said}`)} union all ${best(sql`words @@ ${said}`)}
      ) as found order by name) as candidates`;
  }

  /** The condition that any of the ways to match finds a row. */
  function finds({ spoken, begun }: SearchQuery): Fragment {
    return spoken === ""
      ? sql`true`
      : sql`(names @@ to_tsquery('simple', ${begun})
          or words @@ websearch_to_tsquery('english', ${spoken}))`;
  }

  function passes({ category, engine, publisher }: Omit<PackQuery, "words">): Fragment {
    return sql`true ${category === null ? sql`` : sql`and categories @> ${[category]}::text[]`}
      ${engine === null ? sql`` : sql`and engines @> ${[engine]}::text[]`}
      ${publisher === null ? sql`` : sql`and publisher = ${publisher}`}`;
  }

  async function findAlike(spoken: string, limit: number): Promise<PackRow[]> {
    return await sql.begin("read only", async (transaction) => {
      await transaction`set local pg_trgm.word_similarity_threshold = 0.4`;
      return await transaction<PackRow[]>`
        select ${columns}, '0.00' as score from packs where ${spoken} <% spelling
        order by word_similarity(${spoken}, spelling) desc, downloads desc, name limit ${limit}`;
    });
  }

  /** How an order goes on after a cursor, and which cursor a row is. */
  function buildOrder(order: PackOrder, cursor: string | null) {
    switch (order) {
      case "match":
      case "downloads": {
        const after = cursor === null ? null : readRankCursor(cursor);
        return {
          where:
            after === null
              ? sql`true`
              : sql`(-score, -downloads, name) > (-${after.score}::numeric, -${after.downloads}::bigint, ${after.name})`,
          by: sql`score desc, downloads desc, name`,
          cursorOf: ({ score, downloads, name }: PackRow) =>
            writeCursor({ score, downloads: Number(downloads), name }),
        };
      }
      case "name": {
        const after = cursor === null ? "" : readNameCursor(cursor).name;
        return {
          where: sql`name > ${after}`,
          by: sql`name`,
          cursorOf: ({ name }: PackRow) => writeCursor({ name }),
        };
      }
      case "newest":
      case "published": {
        const column = order === "newest" ? sql`first_published_at` : sql`published_at`;
        const after = cursor === null ? null : readDateCursor(cursor);
        return {
          where:
            after === null
              ? sql`true`
              : sql`${column} <= ${after.at} and (${column} < ${after.at} or name > ${after.name})`,
          by: sql`${column} desc, name`,
          cursorOf: ({ name, publishedAt, firstPublishedAt }: PackRow) => {
            const at = (order === "newest" ? firstPublishedAt : publishedAt).toISOString();
            return writeCursor({ at, name });
          },
        };
      }
    }
  }

  return {
    /** Lists every pack by name. The cursor is the last name of the previous page. */
    async listPacks({ limit, cursor }: PageRequest): Promise<PackList> {
      const rows = await sql<PackRow[]>`
        select ${columns} from packs where name > ${cursor ?? ""} order by name limit ${limit + 1}`;
      return buildPage(rows, limit, ({ name }) => name);
    },

    /**
     * Returns packs whose name, description, probes or README match and that pass the filters. An
     * empty text matches every pack. Words without a match and without filters return one page of
     * packs with similar names.
     *
     * With the order `match` only the most downloaded matches are ranked: CANDIDATES by name, by
     * title and by any word. So a common word costs no more than a rare one.
     *
     * @throws SondeError BAD_REQUEST for a cursor that is malformed, or of another order
     */
    async searchPacks(
      query: PackQuery,
      order: PackOrder,
      { limit, cursor }: PageRequest,
    ): Promise<PackList> {
      const { where, by, cursorOf } = buildOrder(order, cursor);
      const rows = await sql.begin("read only", async (transaction) => {
        // The best plan depends on how common the words are, so plan each search.
        await transaction`set local plan_cache_mode = force_custom_plan`;
        return await transaction<PackRow[]>`
          select ${columns}, score from (${match(query, order)}) as matches
          where ${where} order by ${by} limit ${limit + 1}`;
      });
      if (rows.length === 0 && cursor === null && isUnfiltered(query)) {
        const { spoken } = readSearchQuery(query.words);
        if (spoken === "") return { packs: [], cursor: null };
        return { packs: (await findAlike(spoken, limit)).map(buildSummary), cursor: null };
      }
      return buildPage(rows, limit, cursorOf);
    },

    /** Counts all packs that match, and those that would with each other category or engine. */
    async countPacks(query: PackQuery): Promise<PackCounts> {
      const { category, engine, publisher } = query;
      const kept = passes({ category: null, engine: null, publisher });
      const rows = await sql<{ facet: string; value: string; packs: number }[]>`
        with found as materialized (select categories, engines from packs
          where ${finds(readSearchQuery(query.words))} and ${kept})
        select 'category' as facet, unnest(categories) as value, count(*)::int as packs
          from found where ${passes({ category: null, engine, publisher: null })} group by 2
        union all select 'engine', unnest(engines), count(*)::int
          from found where ${passes({ category, engine: null, publisher: null })} group by 2
        union all select 'all', '', count(*)::int
          from found where ${passes({ category, engine, publisher: null })}
        order by packs desc, value`;
      const of = (facet: string) => rows.filter((row) => row.facet === facet);
      return {
        packs: of("all")[0]?.packs ?? 0,
        // The columns have only what `deriveReach` returns.
        categories: of("category").map(({ value, packs }) => ({
          category: value as Category,
          packs,
        })),
        engines: of("engine").map(({ value, packs }) => ({ engine: value as Engine, packs })),
      };
    },
  };
}
export type PackSearch = ReturnType<typeof createPackSearch>;

function isUnfiltered({ category, engine, publisher }: PackQuery): boolean {
  return category === null && engine === null && publisher === null;
}

function buildPage(
  rows: readonly PackRow[],
  limit: number,
  cursorOf: (last: PackRow) => string,
): PackList {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const cursor = rows.length > limit && last !== undefined ? cursorOf(last) : null;
  return { packs: shown.map(buildSummary), cursor };
}

function buildSummary(row: PackRow): PackSummary {
  const { name, latest, description, publishedAt, firstPublishedAt, downloads } = row;
  return {
    name,
    latest,
    description,
    publishedAt: publishedAt.toISOString(),
    firstPublishedAt: firstPublishedAt.toISOString(),
    downloads: Number(downloads),
    reach: JSON.parse(row.reach) as PackReach,
    ...(JSON.parse(row.said) as Said),
  };
}

function writeCursor(
  last: Static<typeof RankCursor> | Static<typeof NameCursor> | Static<typeof DateCursor>,
): string {
  return Buffer.from(JSON.stringify(last)).toString("base64url");
}

/** @throws SondeError BAD_REQUEST also for a day that no calendar has */
function readDateCursor(cursor: string): Static<typeof DateCursor> {
  const after = readTimeCursor(cursor);
  if (!Number.isNaN(Date.parse(after.at))) return after;
  throw new SondeError("BAD_REQUEST", `cursor: expected a time, got ${after.at}`);
}

function buildCursorReader<S extends TSchema>(schema: S): (cursor: string) => Static<S> {
  const parse = buildParser(schema, "cursor", "BAD_REQUEST");
  return (cursor) => parse(parseJson(Buffer.from(cursor, "base64url"), "cursor", "BAD_REQUEST"));
}
