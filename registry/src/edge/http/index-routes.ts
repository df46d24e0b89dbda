import { type IndexLine, PublisherName, SondeError } from "@sonde/schemas";
import { Type } from "typebox";
import { stateOf } from "../../core/pack-life.ts";
import type { LifeStore } from "../store/life-store.ts";
import type { VersionStore } from "../store/version-store.ts";
import type { HttpServer } from "./http-server.ts";

const PackPath = Type.Object({ publisher: PublisherName, pack: PublisherName });

/**
 * The index that resolvers read: one file for each pack, one JSON line for each
 * version in the order of the log, with an ETag so that asking again costs little.
 */
export function addIndexRoutes(app: HttpServer, versions: VersionStore, lives: LifeStore): void {
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
      const life = await lives.readLife(name);
      return reply
        .type("application/x-ndjson")
        .send(
          lines.map((line) => formatLine({ ...line, state: stateOf(life, line.version) })).join(""),
        );
    },
  );
}

function formatLine(line: IndexLine): string {
  return `${JSON.stringify(line)}\n`;
}
