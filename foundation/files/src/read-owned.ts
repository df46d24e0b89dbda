import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { checkOwner } from "./check-owner.ts";

const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Reads a file that only trusted owners can write, such as a grant or the trust policy. Links in
 * the path of its folder are followed; a link in its place is not.
 *
 * @param owners trusted user ids: root, and in the same-uid set-up the agent's own
 * @throws SondeError CONFIG_INVALID for another owner, a file that others may write, a
 *   link, or more than `maxBytes`; the cause has the system's code when it cannot be opened
 */
export function readOwnedFile(path: string, owners: readonly number[], maxBytes: number): Buffer {
  const file = openFor(path, FILE, path);
  return readAndClose(file, path, owners, maxBytes);
}

/**
 * Reads a file in a folder that another user may write, such as a service's. Nothing on the way
 * below `folder` may be a link, so the other user cannot lend out a file that it could not read.
 *
 * @param folder a folder that only this user or root can replace
 * @param path the file's path in it; each folder on the way belongs to `owners` too
 * @throws SondeError CONFIG_INVALID, as `readOwnedFile`
 */
export function readFileBeneath(
  folder: string,
  path: string,
  owners: readonly number[],
  maxBytes: number,
): Buffer {
  const shown = `${folder}/${path}`;
  const folders = [openFor(folder, FOLDER, shown)];
  try {
    const parts = dirname(path) === "." ? [] : dirname(path).split("/");
    for (const part of ["", ...parts]) {
      // Node has no openat(2): the kernel's link to an open folder stands in its place.
      const entry = `/proc/self/fd/${folders.at(-1)}/${part}`;
      if (part !== "") folders.push(openFor(entry, FOLDER, shown));
      checkOwner(fstatSync(folders.at(-1) ?? -1), owners, shown);
    }
    const file = openFor(`/proc/self/fd/${folders.at(-1)}/${basename(path)}`, FILE, shown);
    return readAndClose(file, shown, owners, maxBytes);
  } finally {
    folders.forEach(closeSync);
  }
}

/** @throws SondeError CONFIG_INVALID when anybody but `owners` can put files into the folder */
export function checkOwnedFolder(path: string, owners: readonly number[]): void {
  const folder = openFor(path, FOLDER, path);
  try {
    checkOwner(fstatSync(folder), owners, path);
  } finally {
    closeSync(folder);
  }
}

function readAndClose(
  file: number,
  path: string,
  owners: readonly number[],
  maxBytes: number,
): Buffer {
  try {
    const stats = fstatSync(file);
    checkOwner(stats, owners, path);
    if (!stats.isFile() || stats.size > maxBytes) {
      throw new SondeError(
        "CONFIG_INVALID",
        `${path}: expected a file of at most ${maxBytes} bytes`,
      );
    }
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

function openFor(path: string, flags: number, shown: string): number {
  try {
    return openSync(path, flags);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw new SondeError("CONFIG_INVALID", `${shown}: expected to open it, got ${code}`, { cause });
  }
}
