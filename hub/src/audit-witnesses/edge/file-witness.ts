import type { FileHandle } from "node:fs/promises";
import { hubLogName } from "@sonde/trust/hub-log";
import { createAppendedFile, SinkFailure } from "../../receivers/index.ts";
import type { FileWitness } from "../../witness-settings.ts";
import type { WitnessSender } from "../core/witness-sender.ts";

/** More than a checkpoint and what a crash left of another. */
const TAIL_BYTES = 64 * 1024;
/** A line of a signature, which begins with the three bytes of U+2014, and the empty line after it. */
const END = /^\u00e2\u0080\u0094 [^\n]*\n\n/gm;

/**
 * Appends checkpoints as they are, each with an empty line after it. One that a crash tore is removed
 * when the file is opened.
 */
export function createFileWitness({ path }: FileWitness, hubId: string): WitnessSender {
  const file = createAppendedFile(path, (opened, size) =>
    cutTornNote(opened, { size, path, origin: `${hubLogName(hubId)}\n` }),
  );
  return {
    async offer({ note }) {
      await file.append(`${note}\n`);
      return null;
    },
    close: () => file.close(),
  };
}

/** Removes what follows the last whole checkpoint, if it is the begin of one. */
async function cutTornNote(
  file: FileHandle,
  { size, path, origin }: { size: number; path: string; origin: string },
): Promise<void> {
  const length = Math.min(size, TAIL_BYTES);
  const chunk = Buffer.alloc(length);
  const { bytesRead } = await file.read(chunk, 0, length, size - length);
  // Each byte is a character, so that places are bytes.
  const tail = chunk.subarray(0, bytesRead).toString("latin1");
  const last = [...tail.matchAll(END)].at(-1);
  const whole = last === undefined ? 0 : last.index + last[0].length;
  const torn = tail.slice(whole);
  if (torn === "") return;
  const isOwn = torn.startsWith(origin) || origin.startsWith(torn);
  if (!isOwn || (last === undefined && size > length)) {
    throw new SinkFailure("SINK_WRITE_FAILED", `${path}: expected a file of checkpoints alone`);
  }
  await file.truncate(size - torn.length);
}
