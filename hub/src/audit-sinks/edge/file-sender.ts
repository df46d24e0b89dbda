import type { FileHandle } from "node:fs/promises";
import { createAppendedFile } from "../../receivers/index.ts";
import type { FileSettings } from "../../sink-settings.ts";
import type { SinkSender } from "../core/sink-sender.ts";

const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/**
 * Appends entries as JSON lines, and acknowledges them when the disk has them. A line that a crash or
 * a full disk tore is removed when the file is opened, and its batch is written again.
 */
export function createFileSender({ path }: FileSettings): SinkSender {
  const file = createAppendedFile(path, cutTornLine);
  return {
    async send({ entries }) {
      await file.append(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
      return { rejected: 0 };
    },
    close: () => file.close(),
  };
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
