import { existsSync, readFileSync } from "node:fs";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import { RegistryEntry } from "@sonde/schemas/registry";
import { FollowedLog } from "@sonde/schemas/trust";
import { Type } from "typebox";
import type { SavedRegistryView } from "../../core/registry-view.ts";
import { isStopEntry } from "@sonde/trust/log";
import { replaceFile } from "@sonde/files";

const RegistryViewFile = Type.Object(
  {
    ...FollowedLog.properties,
    logKey: Type.String({ maxLength: 300 }),
    stops: Type.Array(RegistryEntry, { maxItems: 10_000 }),
  },
  { additionalProperties: false },
);
const parseRegistryViewFile = buildParser(RegistryViewFile, "registry view", "STARTING_FAILED");

/**
 * Reads the file. Returns null when there is none yet.
 *
 * @throws SondeError STARTING_FAILED when its content is not valid
 */
export function readRegistryView(path: string): SavedRegistryView | null {
  if (!existsSync(path)) return null;
  const file = parseRegistryViewFile(parseJson(readFileSync(path), path, "STARTING_FAILED"));
  return { ...file, stops: file.stops.filter(isStopEntry) };
}

/** Replaces the file atomically and durably: after a crash it is either the old or the new one. */
export function writeRegistryView(path: string, view: SavedRegistryView): void {
  replaceFile(path, `${JSON.stringify(view)}\n`, 0o600);
}
