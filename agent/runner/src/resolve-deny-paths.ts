import { realpathSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";

/**
 * Returns each denied path as written and as its real path. Reads are checked by real
 * path, and a data folder may be a link to another disk.
 *
 * @throws SondeError CONFIG_INVALID when a real path cannot be found out
 */
export function resolveDenyPaths(paths: readonly string[]): string[] {
  return [...new Set(paths.flatMap((path) => [path, resolveDenied(path)]))];
}

function resolveDenied(path: string): string {
  try {
    return realpathSync(path);
  } catch (cause) {
    // The path does not exist yet. It is denied under the name as written.
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return path;
    throw new SondeError("CONFIG_INVALID", `cannot tell where the denied path ${path} leads`, {
      cause,
    });
  }
}
