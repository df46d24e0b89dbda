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
 * Writes the grant of what is on screen: exactly this archive's requirements.
 * Durable and never half written. The file belongs to whoever runs this; the
 * agent accepts only root's (or, without root, its own user's).
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
    // Whatever the umask of whoever approves: the agent is another user and must read it.
    fchmodSync(file, 0o644);
    writeSync(file, `${JSON.stringify(grant, null, 2)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
}

/** Takes the grant back; the agent drops the pack at its next reload. */
export function removeGrant(folder: string, pack: string): void {
  rmSync(grantPath(folder, pack), { force: true });
}

function grantPath(folder: string, pack: string): string {
  return join(folder, `${pack.replace("/", "--")}.json`);
}
