import { type FileHandle, constants, open } from "node:fs/promises";
import { SondeError } from "@sonde/schemas/errors";

/**
 * Reads a whole regular file of at most `maxBytes`. Does not follow a link at the end of
 * the path and does not block on a fifo or device (attack class 51).
 *
 * @returns null when there is no such file
 * @throws SondeError ARCHIVE_INVALID for a larger file or anything but a regular file
 */
export async function readBoundedFile(
  path: string,
  maxBytes: number,
): Promise<Buffer<ArrayBuffer> | null> {
  const file = await openIfThere(path);
  if (file === null) return null;
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > maxBytes) {
      throw new SondeError(
        "ARCHIVE_INVALID",
        `${path}: expected a file of at most ${maxBytes} bytes`,
      );
    }
    const bytes = Buffer.alloc(stat.size);
    let read = 0;
    while (read < bytes.length) {
      const { bytesRead } = await file.read(bytes, read, bytes.length - read, read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return bytes.subarray(0, read);
  } finally {
    await file.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOENT") return null;
    throw new SondeError(
      "ARCHIVE_INVALID",
      `${path}: expected a readable file, got ${String(code)}`,
      {
        cause,
      },
    );
  }
}
