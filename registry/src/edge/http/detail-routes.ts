import { PublisherName, Version } from "@sonde/schemas/names";
import { PublisherDetails, VersionDetails, VersionDifference } from "@sonde/schemas/registry";
import type { HttpServer } from "@sonde/service";
import { Type } from "typebox";
import type { ReadPublisher } from "../store/publisher-reader.ts";
import type { ReadDetails, ReadDifference } from "./details-reader.ts";

const pack = { publisher: PublisherName, pack: PublisherName };
export const PackPath = Type.Object(pack);
export const VersionPath = Type.Object({ ...pack, version: Version });
export const PublisherPath = Type.Object({ publisher: PublisherName });
export const DifferenceQuery = Type.Object(
  { from: Version, to: Version },
  { additionalProperties: false },
);

/** What describes packs and publishers to people, for the API and the pages. */
export type DescriptionPorts = {
  readDetails: ReadDetails;
  readDifference: ReadDifference;
  readPublisher: ReadPublisher;
};

/** Adds the routes that describe to people a version, what differs between two, and a publisher. */
export function addDetailRoutes(app: HttpServer, ports: DescriptionPorts): void {
  const config = { right: "anybody", errors: ["NOT_FOUND"], conditional: true } as const;
  app.get(
    "/api/v1/packs/:publisher/:pack/:version/details",
    {
      schema: {
        params: VersionPath,
        response: { 200: VersionDetails },
        summary: "Permissions in words, signer, provenance, README, downloads",
      },
      config,
    },
    ({ params }) => ports.readDetails(`${params.publisher}/${params.pack}`, params.version),
  );
  app.get(
    "/api/v1/packs/:publisher/:pack/difference",
    {
      schema: {
        params: PackPath,
        querystring: DifferenceQuery,
        response: { 200: VersionDifference },
        summary: "What differs between two versions: permissions, words of tools, README",
      },
      config,
    },
    ({ params, query }) =>
      ports.readDifference(`${params.publisher}/${params.pack}`, query.from, query.to),
  );
  app.get(
    "/api/v1/publishers/:publisher",
    {
      schema: {
        params: PublisherPath,
        response: { 200: PublisherDetails },
        summary: "What the registry knows of a publisher, and how it was verified",
      },
      config,
    },
    ({ params }) => ports.readPublisher(params.publisher),
  );
}
