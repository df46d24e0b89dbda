import {
  chmodSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { GrantFile, PackExplanation } from "@sonde/schemas/agent";

/**
 * Writes a grant with exactly the requirements of the archive that was shown. The write is atomic
 * and durable. The file belongs to the user who runs this command; the agent accepts only files of
 * root (without root: of its own user).
 */
export function writeGrant(
  folder: string,
  shown: PackExplanation,
  approvedBy: string,
  now: Date,
): void {
  const grant: GrantFile = {
    pack: shown.name,
    digest: shown.digest,
    requires: shown.requires,
    approvedBy,
    approvedAt: now.toISOString(),
  };
  if (mkdirSync(folder, { recursive: true }) !== undefined) chmodSync(folder, 0o755);
  const path = grantPath(folder, shown.name);
  const file = openSync(`${path}.new`, "w", 0o644);
  try {
    // Independent of the umask: the agent runs as another user and must be able to read the file.
    fchmodSync(file, 0o644);
    writeSync(file, `${JSON.stringify(grant, null, 2)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
}

/** Deletes the grant. The agent stops the pack at its next reload. */
export function removeGrant(folder: string, pack: string): void {
  rmSync(grantPath(folder, pack), { force: true });
}

function grantPath(folder: string, pack: string): string {
  return join(folder, `${pack.replace("/", "--")}.json`);
}
