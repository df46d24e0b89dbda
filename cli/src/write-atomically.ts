import { closeSync, fchmodSync, openSync, renameSync, writeFileSync } from "node:fs";

/**
 * Replaces a file at once: a reader sees the old text or the new, never a part.
 *
 * @param mode what the file has then, whatever the umask
 */
export function writeAtomically(path: string, text: string, mode = 0o644): void {
  const file = openSync(`${path}.new`, "w", mode);
  try {
    fchmodSync(file, mode);
    writeFileSync(file, text);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
}
