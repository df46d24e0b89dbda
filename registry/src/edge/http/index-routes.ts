import { PublisherName, SondeError } from "@sonde/schemas";
import { Type } from "typebox";
import type { VersionStore } from "../store/version-store.ts";
import type { HttpServer } from "./http-server.ts";

const PackPath = Type.Object({ publisher: PublisherName, pack: PublisherName });

/**
 * The index that resolvers read: one file for each pack, one JSON line for each
 * version in the order of the log, with an ETag so that asking again costs little.
 */
export function addIndexRoutes(app: HttpServer, versions: VersionStore): void {
  app.get(
    "/index/:publisher/:pack",
    {
      schema: { params: PackPath, summary: "All versions of a pack, one JSON line each" },
      config: { conditional: true },
    },
    async ({ params }, reply) => {
      const name = `${params.publisher}/${params.pack}`;
      const lines = await versions.readIndex(name);
      if (lines.length === 0) throw new SondeError("NOT_FOUND", `expected a pack, got ${name}`);
      return reply
        .type("application/x-ndjson")
        .send(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    },
  );
}
