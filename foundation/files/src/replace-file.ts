import { randomUUID } from "node:crypto";
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

/**
 * Replaces a file atomically: a reader, also after a crash, sees the old content or the new, never
 * a part. The content is durable when this returns. Writers at the same time do not disturb each other;
 * the last one stays. A link at the path is replaced, not followed.
 *
 * @param mode the file's mode, whatever the umask
 * @param group the file's group; the present one by default
 */
export function replaceFile(
  path: string,
  content: string | Uint8Array,
  mode = 0o644,
  group?: number,
): void {
  const temporary = `${path}.${randomUUID()}.new`;
  const file = openSync(temporary, "wx", 0o600);
  try {
    writeFileSync(file, content);
    // The group first: until then the mode lets nobody else read.
    if (group !== undefined) fchownSync(file, -1, group);
    fchmodSync(file, mode);
    fsyncSync(file);
    renameSync(temporary, path);
  } catch (thrown) {
    rmSync(temporary, { force: true });
    throw thrown;
  } finally {
    closeSync(file);
  }
  syncFolder(dirname(path));
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
