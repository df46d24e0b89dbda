import type { Stats } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { readGroupNames } from "@sonde/privileges";

/** Returns the `code` of a system error, such as ENOENT, else null. */
export function errnoOf(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}

/**
 * Converts the error of a read into a SondeError.
 *
 * @param what path or command, as the manifest has it
 * @param owner status of the file that refused access, if known
 */
export function readFailure(error: unknown, what: string, owner?: Stats): SondeError {
  if (error instanceof SondeError) return error;
  const errno = errnoOf(error) ?? "";
  switch (errno) {
    case "ENOENT":
    case "ENOTDIR":
    case "ESRCH":
      return new SondeError("SOURCE_NOT_FOUND", `${what} does not exist`);
    case "EACCES":
    case "EPERM":
      return permissionNeeded(what, owner);
    default:
      return new SondeError("READ_FAILED", `${what}: ${errno || "the read failed"}`, {
        cause: error,
      });
  }
}

const GROUP_MAY_READ = 0o040;

/** Builds PERMISSION_NEEDED with the missing right, so that a person can decide to grant it. */
export function permissionNeeded(what: string, owner?: Stats): SondeError {
  const mode = owner === undefined ? "" : (owner.mode & 0o7777).toString(8).padStart(4, "0");
  const group = owner === undefined ? null : readGroupNames([owner.gid])[0];
  if (owner === undefined || group === null) {
    return new SondeError("PERMISSION_NEEDED", `${what} may not be read by the runner`);
  }
  const needs =
    (owner.mode & GROUP_MAY_READ) !== 0
      ? `the runner needs the group ${group}`
      : `its group ${group} may not read it either`;
  return new SondeError("PERMISSION_NEEDED", `${what} may not be read (mode ${mode}): ${needs}`);
}
