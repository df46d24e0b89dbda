import { filledWith, renderTemplate } from "@sonde/sources";
import { type Part, REACH_AFTER, REACH_BEFORE, cutText, fromLineStart } from "./cut-text.ts";
import type { FileCalls } from "./file-calls.ts";
import { openFound, withPath } from "./open-path.ts";
import type { Power } from "./power.ts";
import { readBytes } from "./read-bytes.ts";
import { readFailure } from "./read-failure.ts";

/**
 * Reads one regular file, or with `tailBytes` only the lines at its end. Invalid UTF-8
 * becomes U+FFFD.
 */
export const readFile: Power<"file"> = async (source, values, context) => {
  const path = renderTemplate(source.path, filledWith(values));
  const { tailBytes, maxBytes } = source;
  return withPath(path, "file", context.denyPaths, async (found) => {
    const fd = await openFound(found, path);
    try {
      const part =
        tailBytes === undefined
          ? await readStart(found.calls, fd, maxBytes)
          : await readTail(found.calls, fd, tailBytes, maxBytes);
      const { text, margin, bytes } = cutText(part.read, part.from, part.to);
      return { data: { text }, truncated: part.truncated, bytes, margins: { text: margin } };
    } catch (error) {
      throw readFailure(error, path);
    } finally {
      await found.calls.close(fd);
    }
  });
};

async function readStart(calls: FileCalls, fd: number, maxBytes: number): Promise<Part> {
  const read = await readBytes(calls, fd, maxBytes + REACH_AFTER);
  return { read, from: 0, to: maxBytes, truncated: read.length > maxBytes };
}

/**
 * Reads the end of a file. `truncated` means that the byte cap, not the declared tail, cut it,
 * or that the last line alone is longer than the tail.
 */
async function readTail(
  calls: FileCalls,
  fd: number,
  tailBytes: number,
  maxBytes: number,
): Promise<Part> {
  const { size } = await calls.stat(fd);
  const wanted = Math.min(tailBytes, maxBytes);
  if (size === 0) {
    const read = await readBytes(calls, fd, maxBytes + REACH_AFTER);
    const end = Math.min(read.length, maxBytes);
    return fromLineStart(read, Math.max(0, end - wanted), end, read.length > maxBytes);
  }
  const start = Math.max(0, size - wanted);
  const reach = Math.max(0, start - REACH_BEFORE);
  const read = await readBytes(calls, fd, size - reach + REACH_AFTER, reach);
  return fromLineStart(read, start - reach, size - reach, maxBytes < tailBytes && size > wanted);
}
