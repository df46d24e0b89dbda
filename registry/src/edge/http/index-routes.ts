import { PublisherName } from "@sonde/schemas/names";
import type { HttpServer } from "@sonde/service";
import { Type } from "typebox";
import type { ReadPackLog } from "../store/pack-log.ts";
import { NOT_MODIFIED, matchesTag } from "./conditional.ts";

const PackPath = Type.Object({ publisher: PublisherName, pack: PublisherName });

/**
 * Adds the index for resolvers: one file for each pack, one JSON line for each version in log
 * order. An ETag makes repeated requests cheap.
 */
export function addIndexRoutes(app: HttpServer, readPackLog: ReadPackLog): void {
  app.get(
    "/index/:publisher/:pack",
    {
      schema: {
        params: PackPath,
        produces: ["application/x-ndjson"],
        response: { 200: Type.Unknown({ description: "An IndexLine each" }), 304: NOT_MODIFIED },
        summary: "All versions of a pack, one JSON line each",
      },
      config: { right: "anybody", errors: ["NOT_FOUND"] },
    },
    async ({ params, headers }, reply) => {
      const { index, etag } = await readPackLog(`${params.publisher}/${params.pack}`);
      reply.header("etag", etag).header("cache-control", "no-cache");
      if (matchesTag(headers["if-none-match"], etag)) return reply.code(304).send(null);
      return reply.type("application/x-ndjson").send(index);
    },
  );
}
