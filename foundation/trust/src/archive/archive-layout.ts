/**
 * The only files an archive may hold, in the only order it may hold them, with
 * their caps in bytes. All are mandatory and none may be empty. An allow-list
 * leaves nothing to decide about links, folders, escapes, look-alike or
 * colliding names (attack class 42).
 */
export const ARCHIVE_LAYOUT = [
  { path: "LICENSE", maxBytes: 64 * 1024 },
  { path: "README.md", maxBytes: 256 * 1024 },
  { path: "index.js", maxBytes: 1024 * 1024 },
  { path: "pack.json", maxBytes: 256 * 1024 },
] as const;

export type ArchivePath = (typeof ARCHIVE_LAYOUT)[number]["path"];

/** One file of an archive. Its mode is always FILE_MODE. */
export type ArchiveFile = { readonly path: ArchivePath; readonly bytes: Uint8Array };

export const FILE_MODE = 0o644;
export const BLOCK_BYTES = 512;

/** Every file at its cap, each with its header and padding, and the two closing blocks. */
export const MAX_UNPACKED_BYTES =
  ARCHIVE_LAYOUT.reduce((sum, { maxBytes }) => sum + maxBytes + BLOCK_BYTES, 0) + 2 * BLOCK_BYTES;

/** An archive above this is refused unread. */
export const MAX_ARCHIVE_BYTES = 2 * 1024 * 1024;

/** Bytes of a file's content in a tar stream: padded to whole blocks (POSIX.1-1988 ustar). */
export function paddedLength(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}
