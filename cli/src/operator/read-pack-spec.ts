import { SondeError } from "@sonde/schemas/errors";
import { PackName } from "@sonde/schemas/names";
import { buildParser } from "@sonde/schemas/parse";

/** @throws SondeError BAD_REQUEST */
export const parsePackName = buildParser(PackName, "publisher/pack", "BAD_REQUEST");

/**
 * Reads `publisher/pack@1.2.3`, `publisher/pack@^1`, or `publisher/pack` for the newest version.
 *
 * @throws SondeError BAD_REQUEST
 */
export function readPackSpec(spec: string): { pack: string; version: string } {
  const [name = "", version = "*", ...rest] = spec.split("@");
  const pack = parsePackName(name);
  // The service that gets it decides whether it is a version or a range.
  if (rest.length === 0 && /^[0-9A-Za-z.^~<>=*| -]{1,100}$/.test(version)) return { pack, version };
  throw new SondeError(
    "BAD_REQUEST",
    `expected publisher/pack, publisher/pack@version or publisher/pack@range, got ${JSON.stringify(spec)}`,
  );
}
