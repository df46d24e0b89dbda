import { closeSync, fsyncSync, openSync } from "node:fs";

/** Makes the names in a directory durable: a created or renamed file needs it (fsync(2)). */
export function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
