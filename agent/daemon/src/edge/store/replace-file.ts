import { closeSync, constants, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { syncDirectory } from "./sync-directory.ts";

/** Replaces a file atomically and durably: after a crash it is either the old or the new one. */
export function replaceFile(path: string, text: string, mode: number): void {
  const temporary = `${path}.new`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  const fd = openSync(temporary, flags, mode);
  try {
    const bytes = Buffer.from(text);
    if (writeSync(fd, bytes) !== bytes.length) {
      throw new SondeError("STARTING_FAILED", `${path}: expected the whole file to be written`);
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncDirectory(dirname(path));
}
