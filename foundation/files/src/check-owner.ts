import type { Stats } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";

const WRITABLE_BY_OTHERS = 0o022;

/**
 * Checks that only trusted owners can have written a file, or put files into a folder.
 *
 * @param stats of the file or folder at `path`
 * @param owners trusted user ids
 * @throws SondeError CONFIG_INVALID
 */
export function checkOwner(stats: Stats, owners: readonly number[], path: string): void {
  if (!owners.includes(stats.uid)) {
    throw new SondeError(
      "CONFIG_INVALID",
      `${path}: expected owner ${owners.join(" or ")}, got ${stats.uid}`,
    );
  }
  if ((stats.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw new SondeError("CONFIG_INVALID", `${path}: expected no write right for group or others`);
  }
}
