import { filledWith, renderTemplate } from "@sonde/sources";
import { REACH_AFTER, REACH_BEFORE, cutText } from "./cut-text.ts";
import type { FileCalls } from "./file-calls.ts";
import { openFound, withPath } from "./open-path.ts";
import type { Power } from "./power.ts";
import { readBytes } from "./read-bytes.ts";
import { readFailure } from "./read-failure.ts";

/** What was read, and which part of it is the answer. */
type Part = { read: Buffer; from: number; to: number; truncated: boolean };

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

/**
 * Drops a partial first line. What begins it may be a secret's name or the first half of the
 * secret.
 */
function fromLineStart(read: Buffer, from: number, to: number, truncated: boolean): Part {
  const end = Math.min(to, read.length);
  // With the byte before the tail, which shows whether the tail begins at the start of a line.
  const lineEnd = from === 0 ? -1 : read.subarray(0, end).indexOf("\n", from - 1);
  const start = from === 0 ? 0 : lineEnd === -1 ? end : lineEnd + 1;
  const isAllCut = start >= end && from < end;
  return { read, from: start, to: end, truncated: truncated || isAllCut };
}
