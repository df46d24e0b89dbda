import { renameSync, writeFileSync } from "node:fs";

/** Replaces a file at once: a reader sees the old text or the new, never a part. */
export function writeAtomically(path: string, text: string, mode = 0o644): void {
  writeFileSync(`${path}.new`, text, { mode });
  renameSync(`${path}.new`, path);
}
