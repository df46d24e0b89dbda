import { realpathSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";

/**
 * The denied paths as they were written and where they really lead: reads are
 * walked to real paths, and a data folder may be a link to another disk.
 *
 * @throws SondeError CONFIG_INVALID when it cannot be told where one leads
 */
export function resolveDenyPaths(paths: readonly string[]): string[] {
  return [...new Set(paths.flatMap((path) => [path, resolveDenied(path)]))];
}

function resolveDenied(path: string): string {
  try {
    return realpathSync(path);
  } catch (cause) {
    // Not there yet: what will be is denied by the name it was written with.
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return path;
    throw new SondeError("CONFIG_INVALID", `cannot tell where the denied path ${path} leads`, {
      cause,
    });
  }
}
