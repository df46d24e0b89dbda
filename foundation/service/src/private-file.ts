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
 * Writes a file that only this user can read. A reader sees the old text or the
 * new one, also after a power cut; when this returns, the new one stays.
 *
 * @throws SondeError RIGHT_MISSING
 */
export function writePrivateFile(path: string, text: string): void {
  const temporary = `${path}.new`;
  try {
    // Made anew: what somebody put there, such as a link, is neither followed nor written to.
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
 * Makes the folder of a service, and those above it.
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
