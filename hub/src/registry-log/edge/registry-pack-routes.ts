import { SondeError } from "@sonde/schemas/errors";
import { PublisherName } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import { PackList, PackVersions, parsePackList, parsePackVersions } from "@sonde/schemas/registry";
import type { RegistryPlace } from "@sonde/schemas/trust";
import type { HttpServer } from "@sonde/service";
import { fetchFile } from "@sonde/trust/admit";
import { Type } from "typebox";

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** As the registry has it, of whose lists these are. */
const SearchQuery = Type.Object(
  {
    q: Type.Optional(Type.String({ maxLength: 200 })),
    limit: Type.Optional(Type.String({ pattern: "^([1-9][0-9]?|100)$" })),
    cursor: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9_/-]{1,300}$" })),
  },
  { additionalProperties: false },
);
const PackParams = Type.Object({ publisher: PublisherName, pack: PublisherName });

/**
 * Adds the routes that pass on what the hub's registry says of packs. It proves nothing: what an
 * agent installs, hub and agent verify.
 */
export function addRegistryPackRoutes(app: HttpServer, place: () => RegistryPlace): void {
  const read = async (path: string): Promise<unknown> => {
    const bytes = await fetchFile(place(), `api/v1/${path}`, MAX_ANSWER_BYTES);
    if (bytes !== null) return parseJson(bytes, "registry answer", "REGISTRY_UNAVAILABLE");
    throw new SondeError("NOT_FOUND", "expected a pack of the registry, it has none of that name");
  };
  app.get(
    "/api/v1/registry/packs",
    {
      config: { right: "tools.read", errors: ["REGISTRY_UNAVAILABLE", "NOT_FOUND"] },
      schema: {
        summary: "Packs of the registry that match some words, by its own word",
        querystring: SearchQuery,
        response: { 200: PackList },
      },
    },
    async ({ query }) => {
      const { q = "", ...page } = query;
      const asked = new URLSearchParams(q === "" ? page : { q, ...page });
      return parsePackList(await read(`${q === "" ? "packs" : "search"}?${asked.toString()}`));
    },
  );
  app.get(
    "/api/v1/registry/packs/:publisher/:pack",
    {
      config: { right: "tools.read", errors: ["REGISTRY_UNAVAILABLE", "NOT_FOUND"] },
      schema: {
        summary: "The versions of a pack in the registry, by its own word",
        params: PackParams,
        response: { 200: PackVersions },
      },
    },
    async ({ params }) => parsePackVersions(await read(`packs/${params.publisher}/${params.pack}`)),
  );
}
