import type { Stats } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import type { ReadDataByKind } from "@sonde/schemas/reads";
import { filledWith, renderTemplate } from "@sonde/sources";
import { O_NOFOLLOW, O_PATH } from "./file-calls.ts";
import { listNames } from "./list-names.ts";
import { type Found, join, withPath, withPathIn } from "./open-path.ts";
import type { Look, Power, PowerContext } from "./power.ts";
import { readFailure } from "./read-failure.ts";

type Entry = ReadDataByKind["tree"]["found"][number];
type Limits = { maxEntries: number; maxBytes: number };

/** About what the rest of an entry takes, beside its path. */
const ENTRY_BYTES = 100;

/**
 * Lists what lies beneath a directory, in a stable order, each folder before what is in it. Follows
 * no link, except on the way to the directory itself. What vanishes meanwhile is left out.
 */
export const readTree: Power<"tree"> = async (source, values, context) => {
  const path = renderTemplate(source.path, filledWith(values));
  return withPath(path, "directory", context.denyPaths, async (directory) => {
    const look: Look<"tree"> = { data: { found: [] }, truncated: false, bytes: 0, margins: {} };
    await addBeneath(look, directory, "", source.depth, source, context);
    return look;
  });
};

/** Throws when the directory itself may not be listed. */
async function addBeneath(
  look: Look<"tree">,
  directory: Found,
  above: string,
  depth: number,
  limits: Limits,
  context: PowerContext,
): Promise<void> {
  for (const name of await listNames(directory)) {
    if (context.signal.aborted) throw new SondeError("READ_TIMEOUT", "the list took too long");
    const path = `${above}${name}`;
    const bytes = Buffer.byteLength(path) + ENTRY_BYTES;
    const { found } = look.data;
    if (found.length === limits.maxEntries || look.bytes + bytes > limits.maxBytes) {
      look.truncated = true;
      return;
    }
    const entry = await describeEntry(directory, name, path);
    if (entry === null) continue;
    look.bytes += bytes;
    found.push(entry);
    if (entry.type !== "directory" || depth === 1) continue;
    try {
      await withPathIn(directory, name, "directory", context.denyPaths, (inner) =>
        addBeneath(look, inner, `${path}/`, depth - 1, limits, context),
      );
    } catch (error) {
      const failure = readFailure(error, join(directory.path, name));
      if (failure.code === "READ_TIMEOUT") throw failure;
      entry.failure = { code: failure.code, message: failure.message };
    }
  }
}

/** Looks at one entry without opening it. Null when it has vanished. */
async function describeEntry(
  { calls, fd: folder }: Found,
  name: string,
  path: string,
): Promise<Entry | null> {
  let fd: number;
  try {
    fd = await calls.open(`/proc/self/fd/${folder}/${name}`, O_PATH | O_NOFOLLOW);
  } catch (error) {
    if (readFailure(error, path).code === "SOURCE_NOT_FOUND") return null;
    throw readFailure(error, path);
  }
  try {
    const stat = await calls.stat(fd);
    return {
      ...{ path, type: typeOf(stat), sizeBytes: stat.size, modifiedAt: Math.floor(stat.mtimeMs) },
      ...{ ownerId: stat.uid, mode: stat.mode & 0o7777, linkCount: stat.nlink },
    };
  } finally {
    await calls.close(fd);
  }
}

function typeOf(stat: Stats): Entry["type"] {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  return stat.isSymbolicLink() ? "link" : "other";
}
