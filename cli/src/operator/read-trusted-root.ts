import { readFileSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { parseTrustedRoot, type TrustedRoot } from "@sonde/schemas/trust";

/** @throws SondeError NOT_FOUND, or CONFIG_INVALID for content that is not a trusted root */
export function readTrustedRoot(file: string): TrustedRoot {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new SondeError("NOT_FOUND", `expected a trusted root in ${file}, cannot read it`, {
      cause,
    });
  }
  return parseTrustedRoot(parseJson(text, file, "CONFIG_INVALID"));
}
