import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";

const MAX_BYTES = 16 * 1024;

/**
 * Reads a file with a secret, which nobody but the hub's user may read.
 *
 * @param what the file's content for a person, such as `webhook key`
 * @throws SondeError CONFIG_INVALID, without anything of the content
 */
export function readSecret(path: string, what: string): string {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new SondeError("CONFIG_INVALID", `expected a ${what} at ${path}, cannot read it`, {
      cause,
    });
  }
  try {
    const { uid, mode, size } = fstatSync(file);
    const own = process.getuid?.() ?? 0;
    if (uid !== own || (mode & 0o077) !== 0) {
      throw new SondeError(
        "CONFIG_INVALID",
        `${path}: expected a ${what} that only user ${own} can read (chmod 600), got owner ${uid} and mode ${(mode & 0o777).toString(8)}`,
      );
    }
    if (size > MAX_BYTES) {
      throw new SondeError("CONFIG_INVALID", `${path}: expected at most ${MAX_BYTES} bytes`);
    }
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}
