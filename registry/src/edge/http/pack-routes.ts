import { PublisherName, type PublishedVersion, SondeError, Version } from "@sonde/schemas";
import { Type } from "typebox";
import { type PublishPorts, publishVersion } from "../../core/publish/publish-version.ts";
import type { BlobStore } from "../store/blob-store.ts";
import type { VersionStore } from "../store/version-store.ts";
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
  blobs: BlobStore;
};

/** The routes of schemas/registry-api: reading is public, publishing needs a publisher's token. */
export function addPackRoutes(app: HttpServer, ports: PackRoutePorts): void {
  const { versions, blobs } = ports;
  app.get("/health", () => ({ status: "ok" }));
  app.get("/api/v1/packs", () => versions.listPacks());
  app.get("/api/v1/packs/:publisher/:pack", { schema: { params: PackPath } }, ({ params }) =>
    versions.listVersions(`${params.publisher}/${params.pack}`),
  );

  const path = "/api/v1/packs/:publisher/:pack/:version";
  const schema = { params: VersionPath };
  app.get(path, { schema }, ({ params }) => demandVersion(versions, params));
  app.get(`${path}/archive`, { schema }, async ({ params }, reply) => {
    const { digest } = await demandVersion(versions, params);
    const bytes = await blobs.readBlob(digest);
    return reply.header("sonde-digest", digest).type("application/gzip").send(bytes);
  });
  app.get(`${path}/bundle`, { schema }, async ({ params }, reply) => {
    const { name, version } = await demandVersion(versions, params);
    const bundle = await versions.findBundle(name, version);
    return reply.type("application/vnd.dev.sigstore.bundle.v0.3+json").send(bundle);
  });

  app.put(
    path,
    {
      schema,
      config: { right: "publish" },
      // Before a byte of the body is read.
      onRequest: async (request) => capUpload(request.headers["content-length"]),
    },
    async (request, reply) => {
      const { publisher, pack, version } = request.params;
      const { published, created } = await publishVersion(ports, {
        ...(await readUpload(request)),
        name: `${publisher}/${pack}`,
        version,
        publisher,
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
