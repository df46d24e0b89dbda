import { SondeError } from "@sonde/schemas/errors";
import {
  ARCHIVE_LAYOUT,
  type ArchiveFile,
  type ArchivePath,
  BLOCK_BYTES,
  paddedLength,
} from "./archive-layout.ts";
import { readGzipMember } from "./gzip-member.ts";
import { HEADER_FIELDS, buildTarHeader } from "./tar-header.ts";

/**
 * Reads a pack's archive strictly: one gzip member with the files of ARCHIVE_LAYOUT in
 * that order, every header byte as `buildTarHeader` makes it, zero padding, two zero
 * blocks, and nothing else. Works in memory and writes nothing.
 *
 * @throws SondeError ARCHIVE_INVALID naming the file and field, with expected and got
 */
export function readArchive(bytes: Uint8Array): ArchiveFile[] {
  const tar = readGzipMember(bytes);
  const files: ArchiveFile[] = [];
  let at = 0;
  for (const { path, maxBytes } of ARCHIVE_LAYOUT) {
    const size = readHeader(tar.subarray(at, at + BLOCK_BYTES), path, maxBytes);
    at += BLOCK_BYTES;
    const content = tar.subarray(at, at + paddedLength(size));
    if (content.length !== paddedLength(size)) {
      throw invalid(`${path}: expected ${size} bytes and padding, got ${content.length}`);
    }
    if (!isZero(content.subarray(size))) {
      throw invalid(`${path}: expected zero bytes as padding, got others`);
    }
    // Copied, so that the caller's files do not keep the whole stream in memory.
    files.push({ path, bytes: Uint8Array.from(content.subarray(0, size)) });
    at += content.length;
  }
  const end = tar.subarray(at);
  if (end.length !== 2 * BLOCK_BYTES || !isZero(end)) {
    throw invalid(
      `after ${ARCHIVE_LAYOUT.length} files expected two zero blocks, got ${end.length} bytes`,
    );
  }
  return files;
}

/** Checks every byte of the header and returns the file's size. */
function readHeader(header: Buffer, path: ArchivePath, maxBytes: number): number {
  if (header.length !== BLOCK_BYTES) {
    throw invalid(`expected a header for ${path}, got ${header.length} bytes`);
  }
  const size = readSize(header, path, maxBytes);
  const expected = buildTarHeader(path, size);
  for (const { field, start, end } of HEADER_FIELDS) {
    const got = header.subarray(start, end);
    const wanted = expected.subarray(start, end);
    if (!got.equals(wanted)) {
      throw invalid(`${path}: expected ${field} ${show(wanted)}, got ${show(got)}`);
    }
  }
  return size;
}

function readSize(header: Buffer, path: ArchivePath, maxBytes: number): number {
  // Other encodings of a size, such as GNU's base-256 or blank padding, are refused.
  const text = header.toString("latin1", 124, 136);
  const size = /^[0-7]{11}\0$/.test(text) ? Number.parseInt(text, 8) : -1;
  if (size < 1 || size > maxBytes) {
    throw invalid(`${path}: expected a size of 1 to ${maxBytes} bytes, got ${show(text)}`);
  }
  return size;
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Formats untrusted bytes for a message: printable ASCII only, without the zero padding. */
function show(bytes: Buffer | string): string {
  const text = typeof bytes === "string" ? bytes : bytes.toString("latin1");
  return JSON.stringify(text.replace(/\0+$/, "")).replace(/[^\x20-\x7e]/g, "?");
}

function invalid(sentence: string): SondeError {
  return new SondeError("ARCHIVE_INVALID", `archive: ${sentence}`);
}
