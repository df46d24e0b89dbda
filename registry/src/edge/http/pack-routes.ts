import { type ErrorCode, SondeError } from "@sonde/schemas/errors";
import { PublisherName, Version } from "@sonde/schemas/names";
import { PackVersions, PublishedVersion } from "@sonde/schemas/registry";
import type { HttpServer } from "@sonde/service";
import { Type } from "typebox";
import { type PublishPorts, publishVersion } from "../../core/publish/publish-version.ts";
import { describePack, withLife } from "../../core/stored-version.ts";
import type { LifeStore } from "../store/life-store.ts";
import type { VersionStore } from "../store/version-store.ts";
import { type Uploads, capUpload } from "./read-upload.ts";

const PackPath = Type.Object({ publisher: PublisherName, pack: PublisherName });
const VersionPath = Type.Object({
  publisher: PublisherName,
  pack: PublisherName,
  version: Version,
});

/** The multipart body: both files are read as streams, in this order. */
const Publication = Type.Object(
  {
    bundle: Type.Unsafe<never>({ type: "string", format: "binary", description: "Sigstore, JSON" }),
    archive: Type.Unsafe<never>({ type: "string", format: "binary", description: "The .tgz" }),
  },
  { additionalProperties: false },
);
/** Codes of the steps of `publishVersion`. */
const REFUSALS: ErrorCode[] = [
  "ARCHIVE_INVALID",
  "MANIFEST_INVALID",
  "PACK_NEEDS_NEWER_AGENT",
  "REQUIRES_MISMATCH",
  "DIGEST_MISMATCH",
  "SIGNATURE_INVALID",
  "SIGNER_UNTRUSTED",
  "CODE_REFUSED",
  "CAPABILITY_REFUSED",
  "NAME_REFUSED",
  "VERSION_EXISTS",
  "REGISTRY_UNAVAILABLE",
  "REGISTRY_BUSY",
  "CHECK_FAILED",
];

export type PackRoutePorts = PublishPorts & {
  versions: VersionStore;
  lives: LifeStore;
  uploads: Uploads;
};

/** Adds the routes of schemas/registry-api. Reading is public; publishing needs a right. */
export function addPackRoutes(app: HttpServer, ports: PackRoutePorts): void {
  const { versions, lives } = ports;
  app.get(
    "/health",
    { schema: { summary: "Whether the registry serves" }, config: { right: "anybody" } },
    () => ({ status: "ok" }),
  );
  app.get(
    "/api/v1/packs/:publisher/:pack",
    {
      schema: {
        params: PackPath,
        response: { 200: PackVersions },
        summary: "The versions of a pack, the newest first",
      },
      config: { right: "anybody", errors: ["NOT_FOUND"], conditional: true },
    },
    async ({ params }) => {
      const name = `${params.publisher}/${params.pack}`;
      const [listed, life] = await Promise.all([versions.listVersions(name), lives.readLife(name)]);
      return describePack(name, listed, life) satisfies PackVersions;
    },
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
      config: { right: "anybody", errors: ["NOT_FOUND"], conditional: true },
    },
    ({ params }) => demandVersion(ports, params),
  );
  app.get(
    `${path}/bundle`,
    {
      schema: {
        params: VersionPath,
        produces: ["application/vnd.dev.sigstore.bundle.v0.3+json"],
        response: { 200: Type.Unknown({ description: "The bundle" }) },
        summary: "The Sigstore bundle of a version",
      },
      config: { right: "anybody", errors: ["NOT_FOUND"], conditional: true },
    },
    async ({ params }, reply) => {
      const { name, version } = await demandVersion(ports, params);
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
        response: { 200: PublishedVersion, 201: PublishedVersion },
        summary: "Publishes a version: the files bundle, then archive",
      },
      config: { right: "publish", errors: REFUSALS, body: Publication },
      // Refuses by the header, before the body is read.
      onRequest: async (request) => capUpload(request.headers["content-length"]),
    },
    async (request, reply) => {
      const { publisher, pack, version } = request.params;
      const { caller } = request;
      const name = `${publisher}/${pack}`;
      const { published, created } = await ports.uploads.receive(
        request,
        reply,
        publisher,
        (upload) => publishVersion(ports, { ...upload, name, version, publisher, caller }),
      );
      const life = await lives.readLife(published.name);
      return reply.code(created ? 201 : 200).send(withLife(published, life));
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
  if (found !== null) return withLife(found, life);
  throw new SondeError("NOT_FOUND", `expected a published version, got ${name} ${params.version}`);
}
