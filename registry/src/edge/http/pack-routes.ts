import {
  type PackVersions,
  PublisherName,
  type PublishedVersion,
  SondeError,
  Version,
} from "@sonde/schemas";
import { Type } from "typebox";
import { type PublishPorts, publishVersion } from "../../core/publish/publish-version.ts";
import { describePack, describeVersion } from "../../core/stored-version.ts";
import type { BlobStore } from "../store/blob-store.ts";
import type { LifeStore } from "../store/life-store.ts";
import type { VersionStore } from "../store/version-store.ts";
import type { HttpServer } from "./http-server.ts";
import { type Uploads, capUpload } from "./read-upload.ts";

const PackPath = Type.Object({ publisher: PublisherName, pack: PublisherName });
const VersionPath = Type.Object({
  publisher: PublisherName,
  pack: PublisherName,
  version: Version,
});

export type PackRoutePorts = PublishPorts & {
  versions: VersionStore;
  blobs: BlobStore;
  lives: LifeStore;
  uploads: Uploads;
};

/** The routes of schemas/registry-api: reading is public, publishing needs a right. */
export function addPackRoutes(app: HttpServer, ports: PackRoutePorts): void {
  const { versions, blobs, lives } = ports;
  app.get("/health", () => ({ status: "ok" }));
  app.get("/api/v1/packs", () => versions.listPacks());
  app.get(
    "/api/v1/packs/:publisher/:pack",
    { schema: { params: PackPath } },
    async ({ params }) => {
      const name = `${params.publisher}/${params.pack}`;
      const [listed, life] = await Promise.all([versions.listVersions(name), lives.readLife(name)]);
      return describePack(name, listed, life) satisfies PackVersions;
    },
  );

  const path = "/api/v1/packs/:publisher/:pack/:version";
  const schema = { params: VersionPath };
  app.get(path, { schema }, ({ params }) => demandVersion(ports, params));
  app.get(`${path}/archive`, { schema }, async ({ params }, reply) => {
    const { digest, name, version, state } = await demandVersion(ports, params);
    if (state.quarantined !== null) {
      throw new SondeError(
        "VERSION_QUARANTINED",
        `expected a version that anybody may get, got ${name} ${version}: ${state.quarantined}`,
      );
    }
    const bytes = await blobs.readBlob(digest);
    return reply.header("sonde-digest", digest).type("application/gzip").send(bytes);
  });
  app.get(`${path}/bundle`, { schema }, async ({ params }, reply) => {
    const { name, version } = await demandVersion(ports, params);
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
      const name = `${publisher}/${pack}`;
      const { published, created } = await ports.uploads.receive(request, (upload) =>
        publishVersion(ports, { ...upload, name, version, publisher }),
      );
      const life = await lives.readLife(published.name);
      return reply.code(created ? 201 : 200).send(describeVersion(published, life));
    },
  );
}

async function demandVersion(
  { versions, lives }: Pick<PackRoutePorts, "versions" | "lives">,
  params: { publisher: string; pack: string; version: string },
): Promise<PublishedVersion> {
  const name = `${params.publisher}/${params.pack}`;
  const [found, life] = await Promise.all([
    versions.findVersion(name, params.version),
    lives.readLife(name),
  ]);
  if (found !== null) return describeVersion(found, life);
  throw new SondeError("NOT_FOUND", `expected a published version, got ${name} ${params.version}`);
}
