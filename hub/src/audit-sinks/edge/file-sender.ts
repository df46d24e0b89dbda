import { constants, type Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { FileSettings } from "../../sink-settings.ts";
import { SinkFailure, type SinkSender } from "../core/sink-sender.ts";
import { codeOf } from "./receiver-failure.ts";

const APPEND =
  constants.O_RDWR |
  constants.O_APPEND |
  constants.O_CREAT |
  constants.O_NOFOLLOW |
  constants.O_NONBLOCK;
const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/**
 * Appends entries as JSON lines, and acknowledges them when the disk has them. A line that a crash or
 * a full disk tore is removed when the file is opened, and its batch is written again. A file that was
 * renamed is left alone, and a new one is begun.
 */
export function createFileSender({ path }: FileSettings): SinkSender {
  let file: FileHandle | null = null;

  async function findFile(): Promise<FileHandle> {
    if (file !== null && (await isStillThere(file, path))) return file;
    await file?.close();
    file = null;
    file = await openFile(path);
    return file;
  }

  return {
    async send({ entries }) {
      const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
      try {
        const to = await findFile();
        await to.appendFile(lines);
        await to.sync();
      } catch (thrown) {
        if (thrown instanceof SinkFailure) throw thrown;
        throw new SinkFailure(
          "SINK_WRITE_FAILED",
          `${path}: expected to append, got ${codeOf(thrown)}`,
        );
      }
      return { rejected: 0 };
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

async function openFile(path: string): Promise<FileHandle> {
  const file = await open(path, APPEND, 0o600);
  try {
    const stats = await file.stat();
    requireOwnFile(stats, path);
    await cutTornLine(file, stats.size);
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

/** Removes what follows the last whole line. */
async function cutTornLine(file: FileHandle, size: number): Promise<void> {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let end = size;
  while (end > 0) {
    const from = Math.max(end - CHUNK_BYTES, 0);
    const { bytesRead } = await file.read(chunk, 0, end - from, from);
    const found = chunk.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (found !== -1) {
      end = from + found + 1;
      break;
    }
    end = from;
  }
  if (end < size) await file.truncate(end);
}
