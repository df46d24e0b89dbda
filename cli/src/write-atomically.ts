import { closeSync, fchmodSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";

/**
 * Replaces a file atomically: a reader sees the old text or the new, never a part.
 *
 * @param mode the file's mode, whatever the umask
 * @param prepare changes owner and mode of the new file before the rename
 */
export function writeAtomically(
  path: string,
  text: string,
  mode = 0o644,
  prepare: (file: string) => void = () => undefined,
): void {
  // Exclusive creation: a link that somebody put at this path is not followed.
  rmSync(`${path}.new`, { force: true });
  const file = openSync(`${path}.new`, "wx", mode);
  try {
    fchmodSync(file, mode);
    writeFileSync(file, text);
  } finally {
    closeSync(file);
  }
  prepare(`${path}.new`);
  renameSync(`${path}.new`, path);
}
