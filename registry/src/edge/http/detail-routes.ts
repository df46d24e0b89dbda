import { PublisherName, Version } from "@sonde/schemas/names";
import { VersionDetails } from "@sonde/schemas/registry";
import type { HttpServer } from "@sonde/service";
import { Type } from "typebox";
import type { ReadDetails } from "./details-reader.ts";

const VersionPath = Type.Object({
  publisher: PublisherName,
  pack: PublisherName,
  version: Version,
});

/** Adds the route that describes a version to people: permissions in words, signer, README. */
export function addDetailRoutes(app: HttpServer, readDetails: ReadDetails): void {
  app.get(
    "/api/v1/packs/:publisher/:pack/:version/details",
    {
      schema: {
        params: VersionPath,
        response: { 200: VersionDetails },
        summary: "Permissions in words, signer, provenance, README, downloads",
      },
      config: { right: "anybody", errors: ["NOT_FOUND"], conditional: true },
    },
    ({ params }) => readDetails(`${params.publisher}/${params.pack}`, params.version),
  );
}
