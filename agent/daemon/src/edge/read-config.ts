import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { AgentName, Capability, type Digest } from "@sonde/schemas/names";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import { type Static, Type } from "typebox";

const AbsolutePath = Type.String({ pattern: "^/", maxLength: 400 });

/** The agent's configuration file. It has no defaults, and unknown keys are refused. */
export const AgentConfig = Type.Object(
  {
    /** The agent's own files: identity, audit log, packs, socket. */
    stateDir: AbsolutePath,
    /** The grants of this host; owned by root. */
    grantsDir: AbsolutePath,
    /** Who may sign packs; owned by root. */
    trustPolicyPath: AbsolutePath,
    /** The program that fetches and verifies an archive. */
    admitPath: AbsolutePath,
    runnerSocketPath: AbsolutePath,
    /** The ceiling: no probe above it runs here, whatever a hub or a pack says. */
    maxCapability: Capability,
    /** Replaces the name given at enrolment. */
    agentName: Type.Optional(AgentName),
    /**
     * Agent, runner and administrator are the same user, so grants and policy may belong
     * to that user.
     */
    sameUid: Type.Boolean(),
    /** End when stdin ends, since the supervisor is then gone. */
    supervised: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type AgentConfig = Static<typeof AgentConfig>;

const parseAgentConfig = buildParser(AgentConfig, "the agent's configuration", "CONFIG_INVALID");

/** @returns the configuration, and the digest of its bytes for the attestation */
export function readConfig(path: string): { config: AgentConfig; sha256: Digest } {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (thrown) {
    throw new SondeError("CONFIG_INVALID", `${path}: expected a readable file`, { cause: thrown });
  }
  const config = parseAgentConfig(parseJson(bytes, path, "CONFIG_INVALID"));
  return { config, sha256: `sha256:${createHash("sha256").update(bytes).digest("hex")}` };
}
