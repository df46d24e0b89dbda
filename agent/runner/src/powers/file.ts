import { filledWith, renderTemplate } from "@sonde/sources";
import { openFound, withPath } from "./open-path.ts";
import type { Power } from "./power.ts";
import { type Bytes, readBytes } from "./read-bytes.ts";
import { readFailure } from "./read-failure.ts";
import type { FileCalls } from "./file-calls.ts";

/**
 * Reads one regular file, or with `tailBytes` only the lines at its end. Invalid UTF-8
 * becomes U+FFFD.
 */
export const readFile: Power<"file"> = async (source, values, context) => {
  const path = renderTemplate(source.path, filledWith(values));
  return withPath(path, "file", context.denyPaths, async (found) => {
    const fd = await openFound(found, path);
    try {
      const { bytes, truncated } =
        source.tailBytes === undefined
          ? await readBytes(found.calls, fd, source.maxBytes)
          : await readTail(found.calls, fd, source.tailBytes, source.maxBytes);
      return { data: { text: bytes.toString("utf8") }, truncated, bytes: bytes.length };
    } catch (error) {
      throw readFailure(error, path);
    } finally {
      await found.calls.close(fd);
    }
  });
};

/** Reads the end of a file. `truncated` means that the byte cap, not the declared tail, cut it. */
async function readTail(
  calls: FileCalls,
  fd: number,
  tailBytes: number,
  maxBytes: number,
): Promise<Bytes> {
  const { size } = await calls.stat(fd);
  const wanted = Math.min(tailBytes, maxBytes);
  if (size === 0) {
    const all = await readBytes(calls, fd, maxBytes);
    return { bytes: all.bytes.subarray(-wanted), truncated: all.truncated };
  }
  const start = Math.max(0, size - wanted);
  const truncated = maxBytes < tailBytes && size > wanted;
  if (start === 0) return { bytes: (await readBytes(calls, fd, wanted, 0)).bytes, truncated };
  // Reads one byte more in front, which shows whether the tail begins at the start of a line.
  const { bytes } = await readBytes(calls, fd, wanted + 1, start - 1);
  return { bytes: dropPartialLine(bytes), truncated };
}

/**
 * Drops a partial first line. The first byte is the one before the tail. If the tail has
 * no newline, only that byte is dropped.
 */
function dropPartialLine(bytes: Buffer): Buffer {
  const lineStart = bytes.indexOf("\n") + 1;
  const isWithin = lineStart > 0 && lineStart < bytes.length;
  return isWithin ? bytes.subarray(lineStart) : dropPartialCharacter(bytes.subarray(1));
}

/** Drops a partial UTF-8 character at the start: at most three bytes of the form 10xxxxxx. */
function dropPartialCharacter(bytes: Buffer): Buffer {
  let start = 0;
  while (start < 3 && ((bytes[start] ?? 0) & 0b1100_0000) === 0b1000_0000) start++;
  return bytes.subarray(start);
}
