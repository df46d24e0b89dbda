import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { SondeError } from "@sonde/schemas/errors";

/**
 * Writes a file that only this user can read. The write is atomic, also across a power
 * cut, and durable when the function returns.
 *
 * @throws SondeError RIGHT_MISSING
 */
export function writePrivateFile(path: string, text: string): void {
  const temporary = `${path}.new`;
  try {
    // Removed first and then created exclusively, so that a planted link is neither
    // followed nor written to.
    rmSync(temporary, { force: true });
    const file = openSync(temporary, "wx", 0o600);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (cause) {
    throw new SondeError("RIGHT_MISSING", `cannot write ${path}`, { cause });
  }
}

/**
 * Creates the folder of a service, and its parents.
 *
 * @throws SondeError RIGHT_MISSING
 */
export function makeDataFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o750 });
  } catch (cause) {
    throw new SondeError("RIGHT_MISSING", `cannot create ${path}`, { cause });
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
