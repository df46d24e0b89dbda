import { type Stats, accessSync, constants, lstatSync, readlinkSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { errnoOf } from "./read-failure.ts";

/** The only folders that commands come from; also the PATH of commands. */
export const COMMAND_PATH = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

const MAX_LINKS = 10;
const OTHERS_MAY_WRITE = 0o022;

/**
 * Finds a command that only root can change. Every folder, link and file on its path must
 * belong to root and be writable by nobody else, without an exception for sticky folders.
 * There is no race, since only root could change the path after the check.
 *
 * @returns absolute path without symbolic links
 * @throws SondeError SOURCE_NOT_FOUND, PERMISSION_NEEDED, READ_FAILED when the command is
 *   not trusted
 */
export function findTrustedCommand(name: string, folders = COMMAND_PATH): string {
  for (const folder of folders) {
    const path = resolveTrusted(`${folder}/${name}`);
    if (path === null) continue;
    try {
      accessSync(path, constants.X_OK);
    } catch {
      throw new SondeError("PERMISSION_NEEDED", `${path} may not be executed by the runner`);
    }
    return path;
  }
  throw new SondeError("SOURCE_NOT_FOUND", `the command ${name} is not installed on this host`);
}

function resolveTrusted(path: string): string | null {
  let rest = path.split("/").slice(1);
  let walked = "";
  let links = 0;
  mustBeRoots(lstatSync("/"), "/");
  while (rest.length > 0) {
    const [part, ...others] = rest as [string, ...string[]];
    rest = others;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      walked = walked.slice(0, Math.max(0, walked.lastIndexOf("/")));
      continue;
    }
    const here = `${walked}/${part}`;
    const stat = statIfThere(here);
    if (stat === null) return null;
    mustBeRoots(stat, here);
    if (!stat.isSymbolicLink()) {
      walked = here;
      continue;
    }
    if (++links > MAX_LINKS) throw new SondeError("READ_FAILED", `${path}: too many links`);
    const target = readlinkSync(here);
    if (target.startsWith("/")) walked = "";
    rest = [...target.split("/"), ...rest];
  }
  if (!lstatSync(walked).isFile()) throw new SondeError("READ_FAILED", `${walked}: not a file`);
  return walked;
}

function statIfThere(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return null;
    throw new SondeError("READ_FAILED", `${path}: ${errnoOf(error) ?? "cannot be checked"}`);
  }
}

function mustBeRoots(stat: Stats, path: string): void {
  // The mode of a symbolic link has no meaning. Its folder's mode decides who may replace it.
  const writable = !stat.isSymbolicLink() && (stat.mode & OTHERS_MAY_WRITE) !== 0;
  if (stat.uid !== 0 || writable) {
    throw new SondeError(
      "READ_FAILED",
      `${path} is not trusted: expected it to belong to root and be writable by nobody else`,
    );
  }
}
