import { Category, Engine } from "@sonde/schemas/manifest";
import { PublisherName } from "@sonde/schemas/names";
import { PackCounts, PackList, PackOrder } from "@sonde/schemas/registry";
import type { HttpServer } from "@sonde/service";
import { type Static, Type } from "typebox";
import type { PackQuery, PackSearch } from "../store/pack-search.ts";

const DEFAULT_LIMIT = "20";

const page = {
  /** 1 to 100. */
  limit: Type.Optional(Type.String({ pattern: "^([1-9][0-9]?|100)$" })),
  /** The cursor of the previous answer. */
  cursor: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9_/-]{1,300}$" })),
};
const filters = {
  q: Type.Optional(Type.String({ maxLength: 200 })),
  category: Type.Optional(Category),
  engine: Type.Optional(Engine),
  publisher: Type.Optional(PublisherName),
};
const closed = { additionalProperties: false } as const;
const ListQuery = Type.Object(page, closed);
export const SearchQuery = Type.Object(
  { ...filters, sort: Type.Optional(PackOrder), ...page },
  closed,
);
const CountQuery = Type.Object(filters, closed);

/** Adds the routes that list, search and count packs. */
export function addSearchRoutes(app: HttpServer, packs: PackSearch): void {
  app.get(
    "/api/v1/packs",
    {
      schema: { querystring: ListQuery, response: { 200: PackList }, summary: "Packs by name" },
      config: { right: "anybody", conditional: true },
    },
    ({ query }) => packs.listPacks(readPage(query)),
  );
  app.get(
    "/api/v1/search",
    {
      schema: {
        querystring: SearchQuery,
        response: { 200: PackList },
        summary: "Packs that match some words and pass the filters, by default the best first",
      },
      config: { right: "anybody", conditional: true },
    },
    ({ query }) => packs.searchPacks(readQuery(query), query.sort ?? "match", readPage(query)),
  );
  app.get(
    "/api/v1/search/counts",
    {
      schema: {
        querystring: CountQuery,
        response: { 200: PackCounts },
        summary: "How many packs a search finds, by category and engine",
      },
      config: { right: "anybody", conditional: true },
    },
    ({ query }) => packs.countPacks(readQuery(query)),
  );
}

/** Reads what is looked for from a query string. */
export function readQuery(query: Static<typeof CountQuery>): PackQuery {
  const { q = "", category = null, engine = null, publisher = null } = query;
  return { words: q, category, engine, publisher };
}

/** Reads limit and cursor from a query string. */
export function readPage({ limit = DEFAULT_LIMIT, cursor }: { limit?: string; cursor?: string }): {
  limit: number;
  cursor: string | null;
} {
  return { limit: Number(limit), cursor: cursor ?? null };
}
