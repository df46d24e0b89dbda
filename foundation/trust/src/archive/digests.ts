import { createHash } from "node:crypto";
import type { Digest } from "@sonde/schemas/names";
import { type ArchiveFile, FILE_MODE } from "./archive-layout.ts";

/** SHA-256 of bytes as `sha256:hex`. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** The digest by which an archive is known everywhere. */
export function archiveDigest(archive: Uint8Array): Digest {
  return digestOf(archive);
}

/**
 * The digest of what an archive holds, whatever its packaging: SHA-256 over a
 * domain line and one line `mode sha256 path` per file, in order of path. An
 * agent recomputes it from the files it loads.
 */
export function contentDigest(files: readonly ArchiveFile[]): Digest {
  const lines = files
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, bytes }) => `${FILE_MODE.toString(8)} ${digestOf(bytes)} ${path}\n`);
  return digestOf(Buffer.from(`sonde pack content v1\n${lines.join("")}`, "utf8"));
}
