import { PackVersions, PublishedVersion, PublisherName, SondeError, Version } from "@sonde/schemas";
import { Type } from "typebox";
import { type PublishPorts, publishVersion } from "../../core/publish/publish-version.ts";
import type { PublisherStore } from "../store/publisher-store.ts";
import type { VersionStore } from "../store/version-store.ts";
import { authenticate } from "./authenticate.ts";
import type { HttpServer } from "./http-server.ts";
import { capUpload, readUpload } from "./read-upload.ts";

const PackPath = Type.Object({ publisher: PublisherName, pack: PublisherName });
const VersionPath = Type.Object({
  publisher: PublisherName,
  pack: PublisherName,
  version: Version,
});

export type PackRoutePorts = PublishPorts & {
  versions: VersionStore;
  findPublisher: PublisherStore["findPublisher"];
};

/** The routes of schemas/registry-api: reading is public, publishing needs a publisher's token. */
export function addPackRoutes(app: HttpServer, ports: PackRoutePorts): void {
  const { versions } = ports;
  app.get("/health", { schema: { summary: "Whether the registry serves" } }, () => ({
    status: "ok",
  }));
  app.get(
    "/api/v1/packs/:publisher/:pack",
    {
      schema: {
        params: PackPath,
        response: { 200: PackVersions },
        summary: "The versions of a pack, the newest first",
      },
      config: { conditional: true },
    },
    ({ params }) => versions.listVersions(`${params.publisher}/${params.pack}`),
  );

  const path = "/api/v1/packs/:publisher/:pack/:version";
  app.get(
    path,
    {
      schema: {
        params: VersionPath,
        response: { 200: PublishedVersion },
        summary: "Digests, signer and manifest of a version",
      },
      config: { conditional: true },
    },
    ({ params }) => demandVersion(versions, params),
  );
  app.get(
    `${path}/bundle`,
    {
      schema: { params: VersionPath, summary: "The Sigstore bundle of a version" },
      config: { conditional: true },
    },
    async ({ params }, reply) => {
      const { name, version } = await demandVersion(versions, params);
      const bundle = await versions.findBundle(name, version);
      return reply.type("application/vnd.dev.sigstore.bundle.v0.3+json").send(bundle);
    },
  );

  app.put(
    path,
    {
      schema: {
        params: VersionPath,
        consumes: ["multipart/form-data"],
        security: [{ publisher: [] }],
        response: { 200: PublishedVersion, 201: PublishedVersion },
        summary: "Publishes a version: the files bundle, then archive",
      },
      config: { limit: "write" },
      // Before a byte of the body is read.
      onRequest: async (request) => {
        const publisher = await authenticate(request.headers.authorization, (token) =>
          ports.findPublisher(token),
        );
        request.publisher = publisher;
        capUpload(request.headers["content-length"]);
      },
    },
    async (request, reply) => {
      const { publisher, pack, version } = request.params;
      const { published, created } = await publishVersion(ports, {
        ...(await readUpload(request)),
        name: `${publisher}/${pack}`,
        version,
        publisher: request.publisher,
      });
      return reply.code(created ? 201 : 200).send(published);
    },
  );
}

async function demandVersion(
  versions: VersionStore,
  params: { publisher: string; pack: string; version: string },
): Promise<PublishedVersion> {
  const name = `${params.publisher}/${params.pack}`;
  const found = await versions.findVersion(name, params.version);
  if (found !== null) return found;
  throw new SondeError("NOT_FOUND", `expected a published version, got ${name} ${params.version}`);
}

declare module "fastify" {
  interface FastifyRequest {
    /** Whose token the request carries; set by the route that demands one. */
    publisher: string;
  }
}
