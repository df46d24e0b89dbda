import { PublisherName, Version } from "@sonde/schemas/names";
import { ResolvedVersion } from "@sonde/schemas/registry";
import type { HttpServer } from "@sonde/service";
import { chooseVersion } from "@sonde/trust/log";
import { Type } from "typebox";
import type { ReadPackLog } from "../store/pack-log.ts";

const PackPath = Type.Object({ publisher: PublisherName, pack: PublisherName });
const ResolveQuery = Type.Object(
  {
    /** A version, or a range such as `^1`. */
    range: Type.String({ minLength: 1, maxLength: 200 }),
    /** Version of the agent; without it any agent. */
    agent: Type.Optional(Version),
  },
  { additionalProperties: false },
);

/**
 * Adds the route that resolves a range, for people and tools. It uses the hub's rule; the hub
 * itself resolves by the log only.
 */
export function addResolveRoutes(app: HttpServer, readPackLog: ReadPackLog): void {
  app.get(
    "/api/v1/packs/:publisher/:pack/resolve",
    {
      schema: {
        params: PackPath,
        querystring: ResolveQuery,
        response: { 200: ResolvedVersion },
        summary: "The version that a range resolves to",
      },
      config: {
        right: "anybody",
        errors: ["NOT_FOUND", "PACK_QUARANTINED", "PACK_NEEDS_NEWER_AGENT"],
        conditional: true,
      },
    },
    async ({ params, query }): Promise<ResolvedVersion> => {
      const { entries } = await readPackLog(`${params.publisher}/${params.pack}`);
      const chosen = chooseVersion(entries, query.range, query.agent ?? null);
      const { name, version, digest, engines } = chosen;
      return { name, version, digest, engines };
    },
  );
}
