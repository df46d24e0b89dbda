import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";

/**
 * Writes a new secret into a file that only this user can read. Creates the file before the secret
 * is requested: a secret that cannot be stored must not be created.
 *
 * @param file undefined to store nothing
 * @throws SondeError BAD_REQUEST when the file exists or cannot be created
 */
export async function keepSecret<T>(
  file: string | undefined,
  make: () => Promise<T>,
  secretOf: (made: T) => string,
): Promise<T> {
  if (file === undefined) return await make();
  const opened = create(file);
  try {
    const made = await make();
    // Into the file that was created: another one may stand at its path by now.
    writeSync(opened, `${secretOf(made)}\n`);
    fsyncSync(opened);
    return made;
  } catch (thrown) {
    rmSync(file);
    throw thrown;
  } finally {
    closeSync(opened);
  }
}

function create(file: string): number {
  try {
    return openSync(file, "wx", 0o600);
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `expected to create ${file} for the secret, cannot`, {
      cause,
    });
  }
}
