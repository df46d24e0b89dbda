import { renameSync, writeFileSync } from "node:fs";

/**
 * Replaces a file at once: a reader sees the old text or the new, never a part.
 *
 * @param prepare sets owner and mode of the new file before it takes its place
 */
export function writeAtomically(
  path: string,
  text: string,
  mode = 0o644,
  prepare: (file: string) => void = () => undefined,
): void {
  writeFileSync(`${path}.new`, text, { mode });
  prepare(`${path}.new`);
  renameSync(`${path}.new`, path);
}
