import { readFileSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";

/**
 * Reads a file that a person wrote or named.
 *
 * @param what the file's name for a person, such as `hub configuration`
 * @throws SondeError CONFIG_INVALID
 */
export function readConfiguredText(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new SondeError("CONFIG_INVALID", `expected a ${what} at ${path}, cannot read it`, {
      cause,
    });
  }
}

/**
 * Like readConfiguredText, for JSON. The caller checks its shape.
 *
 * @throws SondeError CONFIG_INVALID
 */
export function readConfiguredJson(path: string, what: string): unknown {
  return parseJson(readConfiguredText(path, what), `${what} at ${path}`, "CONFIG_INVALID");
}
