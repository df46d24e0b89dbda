import { accessSync, constants, statSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";

/** @throws SondeError CONFIG_INVALID unless it is a folder in which this user can make files */
export function requireFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  try {
    if (found?.isDirectory() === true) return accessSync(folder, constants.W_OK | constants.X_OK);
  } catch {
    // Told below, as for a folder that is not there.
  }
  throw new SondeError("CONFIG_INVALID", `expected a folder that this user can write: ${folder}`);
}
