import { setImmediate } from "node:timers/promises";
import { SondeError } from "@sonde/schemas/errors";
import type { DirectorySource } from "@sonde/schemas/manifest";
import { type Failure } from "@sonde/schemas/reads";
import { filledWith, renderTemplate } from "@sonde/sources";
import { REACH_AFTER, cutText } from "./cut-text.ts";
import { callsFor, type FileCalls } from "./file-calls.ts";
import { areProcessesHidden } from "./hidden-processes.ts";
import { listNames } from "./list-names.ts";
import { type Found, join, openFound, openProcessFile, withPath, withPathIn } from "./open-path.ts";
import type { Look, Power } from "./power.ts";
import { readBytes } from "./read-bytes.ts";
import { readFailure } from "./read-failure.ts";

type Entry = { name: string; text?: string; failure?: Failure };
type List = Pick<Look<"directory">, "bytes" | "truncated" | "margins"> & { entries: Entry[] };

/** Cap per entry's file. Such files are small, for example `/proc/<pid>/stat`. */
const MAX_CHILD_BYTES = 65_536;

/** After this many entries the power yields, so that other calls of this runner proceed. */
const TURN = 256;

/**
 * Lists a directory in a stable order and, with `child`, reads that file of each entry, with
 * `contents` the entry itself. An entry that has vanished or lacks the file is left out. An entry
 * that may not be read, or is no file, keeps its name and gets the reason. Processes that the kernel does not list are mentioned.
 */
export const readDirectory: Power<"directory"> = async (source, values, context) => {
  const path = renderTemplate(source.path, filledWith(values));
  return withPath(path, "directory", context.denyPaths, async (directory) => {
    const all = await listWanted(directory, source.names);
    const names = all.slice(0, source.maxEntries);
    const truncated = all.length > names.length;
    const list: List = { entries: [], bytes: 0, truncated, margins: {} };
    for (const [index, name] of names.entries()) {
      if (index % TURN === TURN - 1) await setImmediate();
      if (context.signal.aborted) throw new SondeError("READ_TIMEOUT", `${path} took too long`);
      const left = source.maxBytes - list.bytes - Buffer.byteLength(name);
      if (left <= 0) {
        list.truncated = true;
        break;
      }
      await addEntry(
        list,
        directory,
        { name, file: fileOf(source, name) },
        left,
        context.denyPaths,
      );
    }
    const { entries, ...rest } = list;
    const othersHidden = path === "/proc" && areProcessesHidden();
    return { data: { entries, ...(othersHidden ? { othersHidden } : {}) }, ...rest };
  });
};

/** The file that is read for an entry, beneath the directory. */
function fileOf({ child, contents }: DirectorySource, name: string): string | null {
  if (contents === true) return name;
  return child === undefined ? null : `${name}/${child}`;
}

async function listWanted(directory: Found, which: "all" | "numeric"): Promise<string[]> {
  const names = await listNames(directory);
  if (which === "all") return names;
  return names.filter((name) => /^[0-9]{1,15}$/.test(name)).sort((a, b) => Number(a) - Number(b));
}

async function addEntry(
  list: List,
  directory: Found,
  { name, file }: { name: string; file: string | null },
  maxBytes: number,
  denyPaths: string[],
): Promise<void> {
  const entry: Entry = { name };
  try {
    if (file !== null) {
      const limit = Math.min(maxBytes, MAX_CHILD_BYTES);
      const read = await readChild(directory, file, limit, denyPaths);
      const { text, margin, bytes } = cutText(read, 0, limit);
      entry.text = text;
      list.bytes += bytes;
      list.truncated ||= read.length > limit;
      if (margin !== undefined) list.margins[String(list.entries.length)] = margin;
    }
  } catch (error) {
    const failure = readFailure(error, join(directory.path, file ?? name));
    if (failure.code === "SOURCE_NOT_FOUND") return;
    entry.failure = { code: failure.code, message: failure.message };
  }
  list.bytes += Buffer.byteLength(name);
  list.entries.push(entry);
}

async function readChild(
  directory: Found,
  relative: string,
  maxBytes: number,
  denyPaths: string[],
): Promise<Buffer> {
  if (directory.path === "/proc" && /^[0-9]/.test(relative)) {
    const proc = { ...directory, calls: callsFor(join(directory.path, relative)) };
    const fd = await openProcessFile(proc, relative, denyPaths);
    return readAndClose(proc.calls, fd, maxBytes);
  }
  return withPathIn(directory, relative, "file", denyPaths, async (found) =>
    readAndClose(found.calls, await openFound(found, found.path), maxBytes),
  );
}

/** Reads beyond `maxBytes` what the scrubber needs to know of a cut text. */
async function readAndClose(calls: FileCalls, fd: number, maxBytes: number): Promise<Buffer> {
  try {
    return await readBytes(calls, fd, maxBytes + REACH_AFTER);
  } finally {
    await calls.close(fd);
  }
}
