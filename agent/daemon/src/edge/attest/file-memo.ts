import { type BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";

/**
 * Keeps what was computed from files until one of them differs. A file is taken as unchanged while
 * device, inode, size and both times are the same. Only root, by setting the clock, can change a
 * file and keep its ctime.
 */
export type FileMemo = {
  /** @param paths the files and folders from which `compute` makes the value of `key` */
  of<T>(key: string, paths: readonly string[], compute: () => Promise<T>): Promise<T>;
  /** Drops every value that was not asked for since the last call. */
  forgetUnused(): void;
};

/**
 * The kernel's clock for files goes in steps of some milliseconds. A file that was written this
 * recently may be written again within the same step, so nothing is kept of it.
 */
const UNSETTLED_MS = 2000;

export function createFileMemo(now: () => number): FileMemo {
  const kept = new Map<string, { identity: string; value: unknown }>();
  const used = new Set<string>();
  return {
    async of<T>(key: string, paths: readonly string[], compute: () => Promise<T>): Promise<T> {
      used.add(key);
      const before = await identify(paths);
      const known = kept.get(key);
      if (known?.identity === before.identity) return known.value as T;
      const value = await compute();
      const after = await identify(paths);
      const isSettled = Math.abs(now() - after.changedMs) > UNSETTLED_MS;
      if (isSettled && after.identity === before.identity) {
        kept.set(key, { identity: after.identity, value });
      } else {
        kept.delete(key);
      }
      return value;
    },
    forgetUnused() {
      for (const key of kept.keys()) if (!used.has(key)) kept.delete(key);
      used.clear();
    },
  };
}

/** What tells a file from another one at its path, as one line for each path. */
async function identify(
  paths: readonly string[],
): Promise<{ identity: string; changedMs: number }> {
  const stats = await Promise.all(paths.map(statOrCode));
  return {
    identity: stats.map((one) => (typeof one === "string" ? one : lineOf(one))).join("\n"),
    changedMs: Math.max(
      0,
      ...stats.map((one) => (typeof one === "string" ? 0 : Number(one.ctimeMs))),
    ),
  };
}

function lineOf({ dev, ino, size, mode, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mode, mtimeNs, ctimeNs].join(" ");
}

async function statOrCode(path: string): Promise<BigIntStats | string> {
  try {
    return await stat(path, { bigint: true });
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown) return String(thrown.code);
    throw thrown;
  }
}
