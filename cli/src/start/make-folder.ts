import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
} from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import type { Account } from "./system-users.ts";

type Owner = Pick<Account, "uid" | "gid">;

export function presentOwner(): Owner {
  return { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };
}

/**
 * Makes a folder or takes over the one that is there. All is done on the open folder, so that
 * nothing is given away through a link. Only the present user can write to the folder above.
 *
 * @throws SondeError RIGHT_MISSING for a folder of anybody else, or that others may write to
 */
export function makeFolder(path: string, mode: number, owner: Owner): void {
  const own = presentOwner();
  if (!existsSync(path)) mkdirSync(path, { mode: 0o700 });
  const folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const found = fstatSync(folder);
    // One that was made and not yet given to its service still has the present owner.
    if (found.uid !== owner.uid && found.uid !== own.uid) {
      throw new SondeError(
        "RIGHT_MISSING",
        `expected ${path} to belong to user ${owner.uid}, got ${found.uid}; what it holds cannot be trusted`,
      );
    }
    // A group may be the user's own, as under umask 002; root's is not asked for.
    if ((found.mode & (own.uid === 0 ? 0o022 : 0o002)) !== 0) {
      throw new SondeError("RIGHT_MISSING", `expected ${path} to be writable by its owner only`);
    }
    if (found.uid !== owner.uid || found.gid !== owner.gid) {
      fchownSync(folder, owner.uid, owner.gid);
    }
    fchmodSync(folder, mode);
  } finally {
    closeSync(folder);
  }
}
