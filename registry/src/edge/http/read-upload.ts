import { createHash, randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import multipart from "@fastify/multipart";
import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import { createTurns } from "@sonde/schemas/parse";
import type { HttpServer } from "@sonde/service";
import { MAX_ARCHIVE_BYTES } from "@sonde/trust/archive";
import { MAX_BUNDLE_BYTES } from "@sonde/trust/pack";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Submission } from "../../core/publish/submission.ts";
import { forgetLeftUploads } from "./left-uploads.ts";

/** Both files, and the multipart framing. */
const MAX_UPLOAD_BYTES = MAX_ARCHIVE_BYTES + MAX_BUNDLE_BYTES + 16 * 1024;

const UPLOADS_ON_DISK = 200;
/** So that no publisher, with slow or many uploads, keeps the others out. */
const UPLOADS_OF_PUBLISHER = 100;
/** Long enough for many of the waiting uploads to finish. */
const RETRY_AFTER_SECONDS = 5;

/** The parts in their order, with their caps in bytes. */
const PARTS = [
  ["bundle", MAX_BUNDLE_BYTES],
  ["archive", MAX_ARCHIVE_BYTES],
] as const;

/** Lets the server read multipart bodies of two bounded files. */
export async function installUploads(app: HttpServer): Promise<void> {
  await app.register(multipart, {
    limits: {
      files: PARTS.length,
      parts: PARTS.length,
      fields: 0,
      // Larger than each part's own cap, which `storePart` enforces.
      fileSize: MAX_UPLOAD_BYTES,
      headerPairs: 20,
    },
  });
}

export type Upload = Pick<Submission, "archive" | "bundle">;

export type Uploads = {
  /**
   * Receives a publication, exactly the files `bundle` and `archive` in that order, and calls
   * `work` in turn. The files are removed afterwards.
   *
   * @param publisher whose upload it is; no publisher gets all places and turns
   * @throws SondeError BAD_REQUEST, BODY_TOO_LARGE, REGISTRY_BUSY, or what `work` throws
   */
  receive<T>(
    request: FastifyRequest,
    reply: FastifyReply,
    publisher: string,
    work: (upload: Upload) => Promise<T>,
  ): Promise<T>;
};

export type UploadOptions = {
  /** No other process may use it. */
  folder: string;
  /** How many uploads are worked on concurrently, at least 2; one fewer of one publisher. */
  atOnce: number;
  /** Called at the start with each archive that was left whole or in part, before its removal. */
  onLeft: (digest: Digest) => Promise<void>;
};

/** Opens the folder of uploads. Uploads wait on disk, so that many or slow ones hold no memory. */
export async function openUploads({ folder, atOnce, onLeft }: UploadOptions): Promise<Uploads> {
  await forgetLeftUploads(folder, onLeft);
  const takeTurn = createTurns(atOnce);
  const places = new Map<string, { taken: number; takeTurn: typeof takeTurn }>();
  let onDisk = 0;
  return {
    async receive(request, reply, publisher, work) {
      if (!request.isMultipart()) {
        throw new SondeError("BAD_REQUEST", "expected a multipart/form-data body, got another");
      }
      const own = places.get(publisher) ?? { taken: 0, takeTurn: createTurns(atOnce - 1) };
      if (onDisk >= UPLOADS_ON_DISK || own.taken >= UPLOADS_OF_PUBLISHER) {
        reply.header("retry-after", RETRY_AFTER_SECONDS);
        const sentence = `expected fewer than ${UPLOADS_ON_DISK} uploads at once, and ${UPLOADS_OF_PUBLISHER} of one publisher, got one more`;
        throw new SondeError("REGISTRY_BUSY", sentence);
      }
      onDisk += 1;
      own.taken += 1;
      places.set(publisher, own);
      const place = join(folder, randomUUID());
      try {
        await mkdir(place, { mode: 0o700 });
        const archive = await storeParts(request, place).catch(blameBody);
        const workInTurn = () =>
          takeTurn(async () => {
            const path = join(place, "bundle");
            return await work({ archive, bundle: { path, text: await readFile(path, "utf8") } });
          });
        return await own.takeTurn(workInTurn);
      } finally {
        onDisk -= 1;
        own.taken -= 1;
        if (own.taken === 0) places.delete(publisher);
        await rm(place, { recursive: true, force: true });
      }
    },
  };
}

async function storeParts(request: FastifyRequest, place: string): Promise<Upload["archive"]> {
  const stored: Upload["archive"][] = [];
  for await (const part of request.parts()) {
    const [expected, maxBytes] = PARTS[stored.length] ?? [];
    if (expected === undefined || part.type !== "file" || part.fieldname !== expected) {
      throw new SondeError("BAD_REQUEST", "expected the files bundle and archive, got others");
    }
    stored.push(await storePart(part.file, join(place, expected), maxBytes ?? 0));
  }
  const [, archive] = stored;
  if (archive !== undefined) return archive;
  throw new SondeError("BAD_REQUEST", "expected the files bundle and archive, got fewer");
}

/**
 * Writes at most `maxBytes`.
 *
 * @throws SondeError BODY_TOO_LARGE
 */
async function storePart(
  part: AsyncIterable<Buffer>,
  path: string,
  maxBytes: number,
): Promise<Upload["archive"]> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  await pipeline(
    part,
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        sizeBytes += chunk.length;
        if (sizeBytes > maxBytes) {
          throw new SondeError("BODY_TOO_LARGE", `expected a part of at most ${maxBytes} bytes`);
        }
        hash.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(path, { flags: "wx", mode: 0o600 }),
  );
  return { path, sizeBytes, digest: `sha256:${hash.digest("hex")}` };
}

/** Reports a body that the multipart parser cannot read as the client's error. */
function blameBody(thrown: unknown): never {
  // The plugin's refusals have a status that names the limit. Errors of the disk are the server's.
  if (thrown instanceof SondeError || (thrown instanceof Error && isOwnFailure(thrown)))
    throw thrown;
  throw new SondeError("BAD_REQUEST", "expected a whole multipart body, got a broken one", {
    cause: thrown,
  });
}

function isOwnFailure(error: Error): boolean {
  return "statusCode" in error || "syscall" in error;
}

/**
 * Refuses a body by its Content-Length, before any of it is read. Node's parser reads no more than
 * that; a body without a length is refused.
 *
 * @throws SondeError BAD_REQUEST or BODY_TOO_LARGE
 */
export function capUpload(contentLength: string | undefined): void {
  if (contentLength === undefined || !/^[0-9]{1,15}$/.test(contentLength)) {
    throw new SondeError("BAD_REQUEST", "expected a Content-Length, got none");
  }
  if (Number(contentLength) > MAX_UPLOAD_BYTES) {
    throw new SondeError(
      "BODY_TOO_LARGE",
      `expected at most ${MAX_UPLOAD_BYTES} bytes, got ${contentLength}`,
    );
  }
}
