import { closeSync, fchmodSync, openSync, renameSync, writeFileSync } from "node:fs";

/**
 * Replaces a file at once: a reader sees the old text or the new, never a part.
 *
 * @param mode what the file has then, whatever the umask
 * @param prepare changes owner and mode of the new file before it takes its place
 */
export function writeAtomically(
  path: string,
  text: string,
  mode = 0o644,
  prepare: (file: string) => void = () => undefined,
): void {
  const file = openSync(`${path}.new`, "w", mode);
  try {
    fchmodSync(file, mode);
    writeFileSync(file, text);
  } finally {
    closeSync(file);
  }
  prepare(`${path}.new`);
  renameSync(`${path}.new`, path);
}
