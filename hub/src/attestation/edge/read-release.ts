import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Digest } from "@sonde/schemas/names";
import { buildParser } from "@sonde/schemas/parse";
import { readConfiguredJson } from "@sonde/service";
import { Type } from "typebox";

const AgentRelease = Type.Object(
  { files: Type.Array(Digest, { maxItems: 1000 }) },
  { additionalProperties: false },
);
const parseAgentRelease = buildParser(AgentRelease, "agent-release.json", "CONFIG_INVALID");

/**
 * Reads which files the agent of this hub's release consists of. The build writes the list beside the
 * hub's program, whose owner is root; without it, as in a source tree, no program is known.
 */
export function readAgentRelease(program: string): Set<Digest> {
  const path = join(dirname(program), "agent-release.json");
  if (!existsSync(path)) return new Set();
  return new Set(parseAgentRelease(readConfiguredJson(path, "agent-release.json")).files);
}
