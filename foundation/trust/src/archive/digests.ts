import { createHash } from "node:crypto";
import type { Digest } from "@sonde/schemas/names";
import { type ArchiveFile, FILE_MODE } from "./archive-layout.ts";

/** Returns the SHA-256 of bytes as `sha256:hex`. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Returns the digest that identifies an archive. */
export function archiveDigest(archive: Uint8Array): Digest {
  return digestOf(archive);
}

/**
 * Returns the digest of an archive's content, independent of its packaging: SHA-256 over
 * a domain line and one line `mode sha256 path` per file, sorted by path. An agent
 * computes it again from the files that it loads.
 */
export function contentDigest(files: readonly ArchiveFile[]): Digest {
  const lines = files
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, bytes }) => `${FILE_MODE.toString(8)} ${digestOf(bytes)} ${path}\n`);
  return digestOf(Buffer.from(`sonde pack content v1\n${lines.join("")}`, "utf8"));
}
