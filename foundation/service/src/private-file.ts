import { mkdirSync } from "node:fs";
import { replaceFile } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";

/**
 * Writes a file that only this user can read. The write is atomic, also across a power
 * cut, and durable when the function returns.
 *
 * @throws SondeError RIGHT_MISSING
 */
export function writePrivateFile(path: string, text: string): void {
  try {
    replaceFile(path, text, 0o600);
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
