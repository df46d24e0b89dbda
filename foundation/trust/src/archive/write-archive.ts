import { SondeError } from "@sonde/schemas/errors";
import { ARCHIVE_LAYOUT, type ArchiveFile, BLOCK_BYTES, paddedLength } from "./archive-layout.ts";
import { buildGzipMember } from "./gzip-member.ts";
import { buildTarHeader } from "./tar-header.ts";

/**
 * Writes an archive. The build is reproducible: the same files give the same bytes on any
 * day, in any folder, on any machine. Ordinary `tar` reads the result.
 *
 * @param files exactly those of ARCHIVE_LAYOUT, in any order
 * @throws SondeError ARCHIVE_INVALID when a file is missing, extra, empty or above its
 *   cap
 */
export function writeArchive(files: readonly ArchiveFile[]): Uint8Array {
  if (files.length !== ARCHIVE_LAYOUT.length) {
    throw invalid(`expected ${ARCHIVE_LAYOUT.length} files, got ${files.length}`);
  }
  const blocks: Uint8Array[] = [];
  for (const { path, maxBytes } of ARCHIVE_LAYOUT) {
    const bytes = files.find((file) => file.path === path)?.bytes;
    if (bytes === undefined) throw invalid(`expected a file ${path}, got none`);
    if (bytes.length < 1 || bytes.length > maxBytes) {
      throw invalid(`${path}: expected 1 to ${maxBytes} bytes, got ${bytes.length}`);
    }
    const padding = Buffer.alloc(paddedLength(bytes.length) - bytes.length);
    blocks.push(buildTarHeader(path, bytes.length), bytes, padding);
  }
  blocks.push(Buffer.alloc(2 * BLOCK_BYTES));
  return buildGzipMember(Buffer.concat(blocks));
}

function invalid(sentence: string): SondeError {
  return new SondeError("ARCHIVE_INVALID", `archive: ${sentence}`);
}
