import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import multipart from "@fastify/multipart";
import { SondeError } from "@sonde/schemas";
import { MAX_ARCHIVE_BYTES } from "@sonde/trust/archive";
import { MAX_BUNDLE_BYTES } from "@sonde/trust/pack";
import type { FastifyRequest } from "fastify";
import type { HttpServer } from "./http-server.ts";
import { createTurns } from "./take-turns.ts";

/** Both files, and what multipart puts around them. */
const MAX_UPLOAD_BYTES = MAX_ARCHIVE_BYTES + MAX_BUNDLE_BYTES + 16 * 1024;

/** Of uploads at once; verifying one keeps some copies of it for a moment. */
const MEMORY_BYTES = 6 * 1024 * 1024;
const UPLOADS_ON_DISK = 200;

const PARTS = ["bundle", "archive"] as const;

/** Lets the server read multipart bodies of two bounded files. */
export async function installUploads(app: HttpServer): Promise<void> {
  await app.register(multipart, {
    limits: {
      files: PARTS.length,
      parts: PARTS.length,
      fields: 0,
      fileSize: MAX_ARCHIVE_BYTES,
      headerPairs: 20,
    },
  });
}

export type Upload = { bundle: string; archive: Buffer };

export type Uploads = {
  /**
   * Reads a publication, exactly the files `bundle` and `archive` in that order,
   * and gives it to `work` when its turn comes. Nothing of it stays.
   *
   * @throws SondeError BAD_REQUEST, BODY_TOO_LARGE, REGISTRY_UNAVAILABLE, or what `work` throws
   */
  receive<T>(request: FastifyRequest, work: (upload: Upload) => Promise<T>): Promise<T>;
};

/**
 * Takes uploads in through a folder of its own: however many come at once and
 * however slowly, they wait on disk, and few are in memory. There must be no
 * other process using the folder.
 */
export async function openUploads(folder: string): Promise<Uploads> {
  // What a killed registry was receiving.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const takeTurn = createTurns(MEMORY_BYTES);
  let onDisk = 0;
  return {
    async receive(request, work) {
      if (!request.isMultipart()) {
        throw new SondeError("BAD_REQUEST", "expected a multipart/form-data body, got another");
      }
      if (onDisk >= UPLOADS_ON_DISK) {
        const sentence = `expected fewer than ${UPLOADS_ON_DISK} uploads at once, got one more`;
        throw new SondeError("REGISTRY_UNAVAILABLE", sentence);
      }
      onDisk += 1;
      const place = join(folder, randomUUID());
      try {
        await mkdir(place, { mode: 0o700 });
        await storeParts(request, place).catch(blameBody);
        const sizes = PARTS.map(async (name) => (await stat(join(place, name))).size);
        const weight = (await Promise.all(sizes)).reduce((sum, size) => sum + size);
        return await takeTurn(weight, async () =>
          work({
            bundle: await readFile(join(place, "bundle"), "utf8"),
            archive: await readFile(join(place, "archive")),
          }),
        );
      } finally {
        onDisk -= 1;
        await rm(place, { recursive: true, force: true });
      }
    },
  };
}

async function storeParts(request: FastifyRequest, place: string): Promise<void> {
  let count = 0;
  for await (const part of request.parts()) {
    const expected = PARTS[count];
    if (expected === undefined || part.type !== "file" || part.fieldname !== expected) {
      throw new SondeError("BAD_REQUEST", "expected the files bundle and archive, got others");
    }
    const file = createWriteStream(join(place, expected), { flags: "wx", mode: 0o600 });
    await pipeline(part.file, file);
    // What is within this and still too large is for the pipeline's first step to say.
    if (part.file.truncated) {
      throw new SondeError("BODY_TOO_LARGE", `${expected}: at most ${MAX_ARCHIVE_BYTES} bytes`);
    }
    count += 1;
  }
  if (count < PARTS.length) {
    throw new SondeError("BAD_REQUEST", "expected the files bundle and archive, got fewer");
  }
}

/** What the multipart parser cannot read is the caller's fault, not ours. */
function blameBody(thrown: unknown): never {
  // The plugin's own refusals say which limit it was by their status.
  // What the disk refuses is ours.
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
 * Refuses a body by its announced length, before any of it is read. Node's
 * parser takes no more than was announced; a body without a length is refused.
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
