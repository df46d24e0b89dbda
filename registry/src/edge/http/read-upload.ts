import multipart from "@fastify/multipart";
import { SondeError } from "@sonde/schemas";
import { MAX_ARCHIVE_BYTES } from "@sonde/trust/archive";
import { MAX_BUNDLE_BYTES } from "@sonde/trust/pack";
import type { FastifyRequest } from "fastify";
import type { HttpServer } from "./http-server.ts";

/** Both files, and what multipart puts around them. */
const MAX_UPLOAD_BYTES = MAX_ARCHIVE_BYTES + MAX_BUNDLE_BYTES + 16 * 1024;

const PARTS = [
  { name: "bundle", maxBytes: MAX_BUNDLE_BYTES },
  { name: "archive", maxBytes: MAX_ARCHIVE_BYTES },
] as const;

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

/**
 * Reads a publication: exactly the files `bundle` and `archive`, in that order.
 *
 * @throws SondeError BAD_REQUEST or BODY_TOO_LARGE
 */
export async function readUpload(
  request: FastifyRequest,
): Promise<{ bundle: string; archive: Buffer }> {
  if (!request.isMultipart()) {
    throw new SondeError("BAD_REQUEST", "expected a multipart/form-data body, got another");
  }
  const [bundle, archive] = await readFiles(request).catch(blameBody);
  if (bundle === undefined || archive === undefined) {
    throw new SondeError("BAD_REQUEST", "expected the files bundle and archive, got fewer");
  }
  return { bundle: bundle.toString("utf8"), archive };
}

async function readFiles(request: FastifyRequest): Promise<Buffer[]> {
  const files: Buffer[] = [];
  for await (const part of request.parts()) {
    const expected = PARTS[files.length];
    if (expected === undefined || part.type !== "file" || part.fieldname !== expected.name) {
      throw new SondeError("BAD_REQUEST", "expected the files bundle and archive, got others");
    }
    const bytes = await part.toBuffer();
    if (bytes.length > expected.maxBytes) {
      throw new SondeError(
        "BODY_TOO_LARGE",
        `${expected.name}: at most ${expected.maxBytes} bytes`,
      );
    }
    files.push(bytes);
  }
  return files;
}

/** What the multipart parser cannot read is the caller's fault, not ours. */
function blameBody(thrown: unknown): never {
  // The plugin's own refusals say which limit it was by their status.
  if (thrown instanceof SondeError || (thrown instanceof Error && "statusCode" in thrown))
    throw thrown;
  throw new SondeError("BAD_REQUEST", "expected a whole multipart body, got a broken one", {
    cause: thrown,
  });
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
