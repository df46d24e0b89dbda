import type { FileCalls } from "./file-calls.ts";

/**
 * Small enough for Node's buffer pool. Most files of `/proc` are smaller, and there may
 * be thousands.
 */
const FIRST_CHUNK = 4000;

export type Bytes = { bytes: Buffer; truncated: boolean };

/**
 * Reads from `position` (null: the descriptor's offset) to the end, at most `maxBytes`.
 * Does not trust the file's size: `/proc` reports 0, and a sparse file any number.
 */
export async function readBytes(
  calls: FileCalls,
  fd: number,
  maxBytes: number,
  position: number | null = null,
): Promise<Bytes> {
  // One byte more than the cap shows whether the file goes on after it.
  let buffer = Buffer.allocUnsafe(Math.min(FIRST_CHUNK, maxBytes + 1));
  let length = 0;
  while (length <= maxBytes) {
    if (length === buffer.length) {
      const larger = Buffer.allocUnsafe(Math.min(buffer.length * 4, maxBytes + 1));
      buffer.copy(larger);
      buffer = larger;
    }
    const got = await calls.read(fd, buffer, length, position === null ? null : position + length);
    if (got === 0) break;
    length += got;
  }
  return { bytes: buffer.subarray(0, Math.min(length, maxBytes)), truncated: length > maxBytes };
}
