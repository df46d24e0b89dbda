import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { checkOwner } from "@sonde/trust/admit";

/**
 * Reads a file that only trusted owners can write, such as a grant or the trust policy.
 *
 * @param owners trusted user ids: root, and in the same-uid set-up the agent's own
 * @throws SondeError CONFIG_INVALID for another owner, a file that others may write, a
 *   link, or more than `maxBytes`
 */
export function readOwnedFile(path: string, owners: readonly number[], maxBytes: number): Buffer {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const fd = openFor(path, flags);
  try {
    const stats = fstatSync(fd);
    checkOwner(stats, owners, path);
    if (!stats.isFile() || stats.size > maxBytes) {
      throw new SondeError(
        "CONFIG_INVALID",
        `${path}: expected a file of at most ${maxBytes} bytes`,
      );
    }
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** @throws SondeError CONFIG_INVALID when anybody but `owners` can put files into the folder */
export function checkOwnedFolder(path: string, owners: readonly number[]): void {
  const fd = openFor(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    checkOwner(fstatSync(fd), owners, path);
  } finally {
    closeSync(fd);
  }
}

function openFor(path: string, flags: number): number {
  try {
    return openSync(path, flags);
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
    throw new SondeError("CONFIG_INVALID", `${path}: expected to open it, got ${code}`);
  }
}
