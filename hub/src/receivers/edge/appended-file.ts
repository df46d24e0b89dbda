import { constants, type Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { SinkFailure } from "../core/sink-failure.ts";
import { codeOf } from "./receiver-failure.ts";

const APPEND =
  constants.O_RDWR |
  constants.O_APPEND |
  constants.O_CREAT |
  constants.O_NOFOLLOW |
  constants.O_NONBLOCK;

/**
 * Removes what a crash or a full disk left of the last write.
 *
 * @param size of the file in bytes
 * @throws SinkFailure for a file of others
 */
export type CutTorn = (file: FileHandle, size: number) => Promise<void>;

/** A file of mode 0600 that only grows. One that was renamed is left alone, and a new one is begun. */
export type AppendedFile = {
  /**
   * Resolves when the disk has the text.
   *
   * @throws SinkFailure
   */
  append(text: string): Promise<void>;
  close(): void;
};

/** @param cutTorn is called when the file is opened, so each text stands whole or not at all */
export function createAppendedFile(path: string, cutTorn: CutTorn): AppendedFile {
  let file: FileHandle | null = null;

  async function findFile(): Promise<FileHandle> {
    if (file !== null && (await isStillThere(file, path))) return file;
    await file?.close();
    file = null;
    file = await openFile(path, cutTorn);
    return file;
  }

  return {
    async append(text) {
      try {
        const to = await findFile();
        await to.appendFile(text);
        await to.sync();
      } catch (thrown) {
        if (thrown instanceof SinkFailure) throw thrown;
        throw new SinkFailure(
          "SINK_WRITE_FAILED",
          `${path}: expected to append, got ${codeOf(thrown)}`,
        );
      }
    },
    close() {
      // Nothing waits in the process: what counts was synced.
      file?.close().catch(() => undefined);
      file = null;
    },
  };
}

async function isStillThere(file: FileHandle, path: string): Promise<boolean> {
  const [own, there] = await Promise.all([
    file.stat(),
    stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    }),
  ]);
  return there !== null && own.ino === there.ino && own.dev === there.dev;
}

async function openFile(path: string, cutTorn: CutTorn): Promise<FileHandle> {
  const file = await open(path, APPEND, 0o600);
  try {
    const stats = await file.stat();
    requireOwnFile(stats, path);
    await cutTorn(file, stats.size);
    // The name of a new file is durable with its folder.
    const folder = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
    return file;
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
}

function requireOwnFile(stats: Stats, path: string): void {
  if (stats.isFile() && (stats.mode & 0o007) === 0) return;
  throw new SinkFailure(
    "SINK_WRITE_FAILED",
    `${path}: expected a file without rights for others (chmod 600)`,
  );
}
