import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { readConfiguredText } from "@sonde/service";
import { type Asset, buildAsset } from "@sonde/service/web";

/**
 * Reads the script of the pages, for passkeys. The build writes it beside the hub's program, whose
 * owner is root; without it, as in a source tree, the pages have the way by password alone.
 *
 * @throws SondeError CONFIG_INVALID
 */
export function readScript(program: string): Asset | null {
  const path = join(dirname(program), "people.js");
  if (!existsSync(path)) return null;
  const text = readConfiguredText(path, "people.js");
  return buildAsset("people", "js", "text/javascript; charset=utf-8", text);
}
