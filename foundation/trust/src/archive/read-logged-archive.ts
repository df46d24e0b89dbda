import { SondeError } from "@sonde/schemas/errors";
import { type PublishEntry } from "@sonde/schemas/registry";
import type { ArchiveFile } from "./archive-layout.ts";
import { archiveDigest, contentDigest } from "./digests.ts";
import { readArchive } from "./read-archive.ts";

/**
 * Reads an archive and checks it against its entry in a registry's log.
 *
 * @throws SondeError DIGEST_MISMATCH, or ARCHIVE_INVALID
 */
export function readLoggedArchive(
  archive: Uint8Array,
  { digest, contentDigest: content }: Pick<PublishEntry, "digest" | "contentDigest">,
): ArchiveFile[] {
  const got = archiveDigest(archive);
  if (got !== digest) throw new SondeError("DIGEST_MISMATCH", `expected ${digest}, got ${got}`);
  const files = readArchive(archive);
  const gotContent = contentDigest(files);
  if (gotContent === content) return files;
  throw new SondeError("DIGEST_MISMATCH", `expected content ${content}, got ${gotContent}`);
}
