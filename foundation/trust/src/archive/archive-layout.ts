/**
 * The only files an archive may hold, in their only order, with their caps in bytes. All
 * are mandatory, and none may be empty. This allow list rules out links, folders, path
 * escapes, look-alike names and collisions (attack class 42).
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

/**
 * Size of the tar with every file at its cap: headers, padding and the two closing blocks
 * included.
 */
export const MAX_UNPACKED_BYTES =
  ARCHIVE_LAYOUT.reduce((sum, { maxBytes }) => sum + maxBytes + BLOCK_BYTES, 0) + 2 * BLOCK_BYTES;

/** A larger archive is refused unread. */
export const MAX_ARCHIVE_BYTES = 2 * 1024 * 1024;

/** Size of a file's content in a tar stream: padded to whole blocks (POSIX.1-1988 ustar). */
export function paddedLength(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}
