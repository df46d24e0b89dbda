import { lstat, readdir } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SondeError } from "@sonde/schemas/errors";

/** Not the author's work: what a build writes, dependencies, and what editors hide. */
const LEFT_OUT = /^(?:dist|node_modules|\..*|.*~)$/;
const MAX_FILES = 5000;
const POLL_MS = 300;

/** File -> what changes when it is saved. */
type Stock = ReadonlyMap<string, string>;

/**
 * Yields once at the start, and then each time the files of a folder changed and were left alone
 * for a moment. What changes while the caller works is in the next list.
 *
 * The folder is looked at again and again: editors replace files, and a folder that is mounted
 * from elsewhere sends no notices.
 *
 * @param leftOut a folder in it that does not count
 * @param signal ends the generator
 * @returns the changed files, relative to the folder; none at the start
 * @throws SondeError BAD_REQUEST for a folder with more files than a pack has
 */
export async function* watchFolder(
  folder: string,
  leftOut: string,
  signal: AbortSignal,
): AsyncGenerator<string[]> {
  const look = (): Promise<Stock> => takeStock(path.resolve(folder), path.resolve(leftOut));
  let known = await look();
  yield [];
  while (await pause(signal)) {
    let now = await look();
    if (compare(known, now).length === 0) continue;
    for (let before = known; compare(before, now).length > 0; ) {
      before = now;
      if (!(await pause(signal))) return;
      now = await look();
    }
    const changed = compare(known, now);
    known = now;
    if (changed.length > 0) yield changed;
  }
}

/** @returns false when the wait was ended by the signal */
async function pause(signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(POLL_MS, undefined, { signal });
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

async function takeStock(folder: string, leftOut: string): Promise<Stock> {
  const stock = new Map<string, string>();
  const visit = async (place: string): Promise<void> => {
    for (const entry of await orGone(readdir(place, { withFileTypes: true }), [])) {
      const file = path.join(place, entry.name);
      if (LEFT_OUT.test(entry.name) || file === leftOut) continue;
      if (entry.isDirectory()) {
        await visit(file);
        continue;
      }
      const stats = await orGone(lstat(file), null);
      if (stats === null) continue;
      stock.set(path.relative(folder, file), `${stats.mtimeMs} ${stats.size} ${stats.ino}`);
      if (stock.size > MAX_FILES) {
        throw new SondeError(
          "BAD_REQUEST",
          `expected a pack's folder with at most ${MAX_FILES} files, got more in ${folder}`,
        );
      }
    }
  };
  await visit(folder);
  return stock;
}

/** A file or folder that is removed meanwhile is not there. */
async function orGone<T>(looking: Promise<T>, gone: T): Promise<T> {
  try {
    return await looking;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return gone;
    throw error;
  }
}

function compare(before: Stock, after: Stock): string[] {
  const all = new Set([...before.keys(), ...after.keys()]);
  return [...all].filter((file) => before.get(file) !== after.get(file)).toSorted();
}
