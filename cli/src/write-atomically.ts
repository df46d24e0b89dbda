import { closeSync, fchmodSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";

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
  // Made anew: what somebody put there, such as a link, is neither followed nor written to.
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
