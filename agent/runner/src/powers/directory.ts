import { setImmediate } from "node:timers/promises";
import { SondeError } from "@sonde/schemas/errors";
import { type Failure } from "@sonde/schemas/reads";
import { filledWith, renderTemplate } from "@sonde/sources";
import type { FileCalls } from "./file-calls.ts";
import { type Found, join, openFound, openProcessFile, withPath, withPathIn } from "./open-path.ts";
import type { Power } from "./power.ts";
import { type Bytes, readBytes } from "./read-bytes.ts";
import { readFailure } from "./read-failure.ts";

type Entry = { name: string; text?: string; failure?: Failure };
type List = { entries: Entry[]; bytes: number; truncated: boolean };

/** Cap per entry's file. Such files are small, for example `/proc/<pid>/stat`. */
const MAX_CHILD_BYTES = 65_536;

/** After this many entries the power yields, so that other calls of this runner proceed. */
const TURN = 256;

/**
 * Lists a directory in a stable order and, with `child`, reads that file of each entry.
 * An entry that has vanished or lacks the file is left out. An entry that may not be read
 * keeps its name and gets the reason.
 */
export const readDirectory: Power<"directory"> = async (source, values, context) => {
  const path = renderTemplate(source.path, filledWith(values));
  return withPath(path, "directory", context.denyPaths, async (directory) => {
    const all = await listNames(directory, source.names);
    const names = all.slice(0, source.maxEntries);
    const list: List = { entries: [], bytes: 0, truncated: all.length > names.length };
    for (const [index, name] of names.entries()) {
      if (index % TURN === TURN - 1) await setImmediate();
      if (context.signal.aborted) throw new SondeError("READ_TIMEOUT", `${path} took too long`);
      const left = source.maxBytes - list.bytes - Buffer.byteLength(name);
      if (left <= 0) {
        list.truncated = true;
        break;
      }
      await addEntry(list, directory, name, source.child, left, context.denyPaths);
    }
    return { data: { entries: list.entries }, truncated: list.truncated, bytes: list.bytes };
  });
};

async function listNames(directory: Found, which: "all" | "numeric"): Promise<string[]> {
  try {
    const names = await directory.calls.list(`/proc/self/fd/${directory.fd}`);
    if (which === "all") return names.sort();
    return names.filter((name) => /^[0-9]{1,15}$/.test(name)).sort((a, b) => Number(a) - Number(b));
  } catch (error) {
    throw readFailure(error, directory.path, await directory.calls.stat(directory.fd));
  }
}

async function addEntry(
  list: List,
  directory: Found,
  name: string,
  child: string | undefined,
  maxBytes: number,
  denyPaths: string[],
): Promise<void> {
  const entry: Entry = { name };
  try {
    if (child !== undefined) {
      const limit = Math.min(maxBytes, MAX_CHILD_BYTES);
      const read = await readChild(directory, `${name}/${child}`, limit, denyPaths);
      entry.text = read.bytes.toString("utf8");
      list.bytes += read.bytes.length;
      list.truncated ||= read.truncated;
    }
  } catch (error) {
    const failure = readFailure(error, join(directory.path, `${name}/${child ?? ""}`));
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
): Promise<Bytes> {
  if (directory.path === "/proc" && /^[0-9]/.test(relative)) {
    const fd = await openProcessFile(directory, relative, denyPaths);
    return readAndClose(directory.calls, fd, maxBytes);
  }
  return withPathIn(directory, relative, "file", denyPaths, async (found) =>
    readAndClose(found.calls, await openFound(found, found.path), maxBytes),
  );
}

async function readAndClose(calls: FileCalls, fd: number, maxBytes: number): Promise<Bytes> {
  try {
    return await readBytes(calls, fd, maxBytes);
  } finally {
    await calls.close(fd);
  }
}
