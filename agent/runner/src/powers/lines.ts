import { SondeError } from "@sonde/schemas/errors";
import { filledWith, renderSearch, renderTemplate } from "@sonde/sources";
import { REACH_AFTER, REACH_BEFORE, cutText } from "./cut-text.ts";
import type { FileCalls } from "./file-calls.ts";
import { findLines, type ReadAt, readAround, toSmall } from "./find-lines.ts";
import { openFound, withPath } from "./open-path.ts";
import type { Look, Power, PowerContext } from "./power.ts";
import { readBytes } from "./read-bytes.ts";
import { readFailure } from "./read-failure.ts";

/** All that is sent with what stands around it, for the scrubber. */
const MAX_AROUND = 4 * 1024 * 1024;
const MAX_RUNS = Math.floor(MAX_AROUND / (REACH_BEFORE + REACH_AFTER));
/** A file that states no size (`/proc`) is read as a whole, up to this size. */
const MAX_WITHOUT_SIZE = 4 * 1024 * 1024;
/** The share of its time that a search may take; the rest is for reading what it found. */
const SEARCH_SHARE = 0.8;

/** Reads the newest lines of one regular file, or the newest that contain a text. */
export const readLines: Power<"lines"> = async (source, values, context) => {
  const path = renderTemplate(source.path, filledWith(values));
  const { newest, contains, ignoreCase } = renderSearch(source, filledWith(values));
  const needle = contains === "" ? undefined : Buffer.from(contains, "utf8");
  const now = performance.now();
  return withPath(path, "file", context.denyPaths, async (found) => {
    const fd = await openFound(found, path);
    try {
      const { size, read, truncated } = await openContent(found.calls, fd, context);
      const lines = await findLines(read, {
        ...{ size, searchBytes: source.searchBytes, maxBytes: source.maxBytes, maxRuns: MAX_RUNS },
        newest: Number(newest),
        needle: ignoreCase === "true" && needle !== undefined ? toSmall(needle) : needle,
        ignoreCase: ignoreCase === "true",
        endsAt: now + (context.endsAt - now) * SEARCH_SHARE,
        now: () => performance.now(),
      });
      const parts = await Promise.all(
        lines.runs.map(async (run) => {
          const around = await readAround(read, run, REACH_BEFORE, REACH_AFTER);
          if (around === null) throw rewritten(path);
          return cutText(around.bytes, around.from, around.to);
        }),
      );
      const { matchCount, searchedBytes, cutByDeadline } = lines;
      return {
        data: {
          parts: parts.map(({ text }) => ({ text })),
          ...{ matchCount, searchedBytes, fileBytes: size, cutByDeadline },
        },
        truncated: truncated || lines.truncated,
        bytes: searchedBytes,
        margins: Object.fromEntries(parts.map(({ margin }, index) => [String(index), margin])),
      } satisfies Look<"lines">;
    } catch (error) {
      throw readFailure(error, path);
    } finally {
      await found.calls.close(fd);
    }
  });
};

function rewritten(path: string): SondeError {
  return new SondeError("READ_FAILED", `${path} was rewritten while it was searched; ask again`);
}

type Content = { size: number; read: ReadAt; truncated: boolean };

async function openContent(
  calls: FileCalls,
  fd: number,
  { signal }: PowerContext,
): Promise<Content> {
  const { size } = await calls.stat(fd);
  if (size > 0) {
    const read: ReadAt = (position, length) => {
      signal.throwIfAborted();
      return readBytes(calls, fd, length, position);
    };
    return { size, read, truncated: false };
  }
  const all = await readBytes(calls, fd, MAX_WITHOUT_SIZE + 1);
  const whole = all.subarray(0, MAX_WITHOUT_SIZE);
  return {
    size: whole.length,
    read: (position, length) => Promise.resolve(whole.subarray(position, position + length)),
    truncated: all.length > whole.length,
  };
}
