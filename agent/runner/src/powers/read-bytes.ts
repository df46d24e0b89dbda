import type { FileCalls } from "./file-calls.ts";

/**
 * Small enough for Node's buffer pool. Most files of `/proc` are smaller, and there may
 * be thousands.
 */
const FIRST_CHUNK = 4000;

/**
 * Reads from `position` (null: the descriptor's offset) to the end, at most `maxBytes`.
 * Does not trust the file's size: `/proc` reports 0, and a sparse file any number.
 */
export async function readBytes(
  calls: FileCalls,
  fd: number,
  maxBytes: number,
  position: number | null = null,
): Promise<Buffer> {
  let buffer = Buffer.allocUnsafe(Math.min(FIRST_CHUNK, maxBytes));
  let length = 0;
  while (length < maxBytes) {
    if (length === buffer.length) {
      const larger = Buffer.allocUnsafe(Math.min(buffer.length * 4, maxBytes));
      buffer.copy(larger);
      buffer = larger;
    }
    const got = await calls.read(fd, buffer, length, position === null ? null : position + length);
    if (got === 0) break;
    length += got;
  }
  return buffer.subarray(0, length);
}
