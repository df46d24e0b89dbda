import { SondeError } from "@sonde/schemas/errors";
import { type Digest, PublisherName, Version } from "@sonde/schemas/names";
import type { HttpServer } from "@sonde/service";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { stateOf } from "../../core/pack-life.ts";
import type { DownloadCounter } from "../download-counter.ts";
import type { BlobStore } from "../store/blob-store.ts";
import type { LifeStore } from "../store/life-store.ts";
import type { VersionStore } from "../store/version-store.ts";
import { parseByteRange } from "./byte-range.ts";
import { NOT_MODIFIED, matchesTag } from "./conditional.ts";

const VersionPath = Type.Object({
  publisher: PublisherName,
  pack: PublisherName,
  version: Version,
});
const IMMUTABLE = "public, max-age=31536000, immutable";

export type ArchiveRoutePorts = {
  blobs: BlobStore;
  findVersion: VersionStore["findVersion"];
  lives: LifeStore;
  /** Counts each download that sends the archive's first byte. */
  downloads: DownloadCounter;
};

/**
 * Adds the route of archives. They never change, so caches may keep them for good under their
 * digest. It sends the whole archive or one range of bytes.
 */
export function addArchiveRoutes(app: HttpServer, ports: ArchiveRoutePorts): void {
  app.route({
    // The framework's own HEAD would not know the length.
    method: ["GET", "HEAD"],
    url: "/api/v1/packs/:publisher/:pack/:version/archive",
    schema: {
      params: VersionPath,
      produces: ["application/gzip"],
      response: {
        200: Type.Unknown({ description: "The bytes" }),
        206: Type.Unknown({ description: "The range of them that was asked for" }),
        304: NOT_MODIFIED,
      },
      summary: "The archive, a .tgz; ranges of bytes too",
    },
    config: { right: "anybody", errors: ["NOT_FOUND", "VERSION_QUARANTINED", "RANGE_INVALID"] },
    handler: async (request, reply) => {
      const { publisher, pack, version } = request.params;
      const name = `${publisher}/${pack}`;
      const published = await ports.findVersion(name, version);
      if (published === null) {
        throw new SondeError("NOT_FOUND", `expected a published version, got ${name} ${version}`);
      }
      const { quarantined } = stateOf(await ports.lives.readLife(name), version);
      if (quarantined !== null) {
        throw new SondeError(
          "VERSION_QUARANTINED",
          `expected a version that is not quarantined, got ${name} ${version}: ${quarantined}`,
        );
      }
      const { digest } = published;
      const tag = `"${digest}"`;
      reply
        .header("sonde-digest", digest)
        .header("etag", tag)
        .header("cache-control", IMMUTABLE)
        .header("accept-ranges", "bytes");
      if (matchesTag(request.headers["if-none-match"], tag)) return reply.code(304).send(null);
      return await sendArchive(ports, { name, version, digest }, request, reply);
    },
  });
}

async function sendArchive(
  { blobs, downloads }: ArchiveRoutePorts,
  { name, version, digest }: { name: string; version: string; digest: Digest },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const blob = await blobs.openBlob(digest);
  const { sizeBytes } = blob;
  const isHead = request.method === "HEAD";
  const range = isHead ? "whole" : parseByteRange(rangeAskedFor(request, digest), sizeBytes);
  if (range === "unsatisfiable") {
    await blob.close();
    reply.header("content-range", `bytes */${sizeBytes}`);
    throw new SondeError("RANGE_INVALID", `expected bytes below ${sizeBytes}`);
  }
  const { start, end } = range === "whole" ? { start: 0, end: sizeBytes - 1 } : range;
  reply.type("application/gzip").header("content-length", end - start + 1);
  if (range !== "whole") {
    reply.code(206).header("content-range", `bytes ${start}-${end}/${sizeBytes}`);
  }
  if (isHead) {
    await blob.close();
    return reply.send();
  }
  if (start === 0) downloads.count(name, version);
  return reply.send(await blob.read(start, end));
}

/** Returns the Range header if the client's partial archive is this one (If-Range). */
function rangeAskedFor({ headers }: FastifyRequest, digest: Digest): string | undefined {
  const condition = headers["if-range"];
  return condition === undefined || condition === `"${digest}"` ? headers.range : undefined;
}
