import { PackList } from "@sonde/schemas/registry";
import type { HttpServer } from "@sonde/service";
import { Type } from "typebox";
import type { PackStore } from "../store/pack-store.ts";

const DEFAULT_LIMIT = "20";

const page = {
  /** 1 to 100. */
  limit: Type.Optional(Type.String({ pattern: "^([1-9][0-9]?|100)$" })),
  /** The cursor of the previous answer. */
  cursor: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9_/-]{1,300}$" })),
};
const ListQuery = Type.Object(page, { additionalProperties: false });
export const SearchQuery = Type.Object(
  { q: Type.Optional(Type.String({ maxLength: 200 })), ...page },
  { additionalProperties: false },
);

/** Adds the routes that list and search packs, in pages. */
export function addSearchRoutes(app: HttpServer, packs: PackStore): void {
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
        summary: "Packs that match some words, the best first",
      },
      config: { right: "anybody", conditional: true },
    },
    ({ query }) => packs.searchPacks(query.q ?? "", readPage(query)),
  );
}

/** Reads limit and cursor from a query string. */
export function readPage({ limit = DEFAULT_LIMIT, cursor }: { limit?: string; cursor?: string }): {
  limit: number;
  cursor: string | null;
} {
  return { limit: Number(limit), cursor: cursor ?? null };
}
