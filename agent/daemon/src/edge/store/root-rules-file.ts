import { existsSync, readFileSync } from "node:fs";
import { Capability, Digest } from "@sonde/schemas/names";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import { Type } from "typebox";
import type { RootRules } from "../../core/root-rules.ts";
import { replaceFile } from "@sonde/files";

const RootRulesFile = Type.Object(
  {
    maxCapability: Capability,
    alsoReadOnly: Type.Array(Type.String({ maxLength: 620 }), { maxItems: 200 }),
    trustSha256: Type.Union([Digest, Type.Null()]),
  },
  { additionalProperties: false },
);
const parseRootRulesFile = buildParser(RootRulesFile, "root's rules", "STARTING_FAILED");

/**
 * Reads the rules that the agent recorded last. Returns null when there are none yet.
 *
 * @throws SondeError STARTING_FAILED when the file's content is not valid
 */
export function readRootRules(path: string): RootRules | null {
  if (!existsSync(path)) return null;
  return parseRootRulesFile(parseJson(readFileSync(path), path, "STARTING_FAILED"));
}

/** Replaces the file atomically and durably: after a crash it is either the old or the new one. */
export function writeRootRules(path: string, rules: RootRules): void {
  replaceFile(path, `${JSON.stringify(rules, null, 1)}\n`, 0o600);
}
