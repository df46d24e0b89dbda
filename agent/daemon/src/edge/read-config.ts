import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { ApprovalSettings, ScrubSettings } from "@sonde/schemas/agent";
import { SondeError } from "@sonde/schemas/errors";
import { AgentName, Capability, type Digest } from "@sonde/schemas/names";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import { type Static, Type } from "typebox";

const AbsolutePath = Type.String({ pattern: "^/", maxLength: 400 });

/** The agent's configuration file. Unknown keys are refused. */
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
    /** Where each runner listens, and the groups that it is in. */
    runners: Type.Array(
      Type.Object(
        { socketPath: AbsolutePath, groups: Type.Array(Type.String({ maxLength: 64 })) },
        { additionalProperties: false },
      ),
      { maxItems: 64 },
    ),
    /**
     * A folder of sockets that start runners, each named after its groups: `no-groups.sock`,
     * `docker.sock`, `adm:docker.sock`.
     */
    runnerSockets: Type.Optional(AbsolutePath),
    /** Seconds after its last question until such a runner may end; 600 by default. */
    runnerRestSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
    /** The ceiling: no probe above it runs here, whatever a hub or a pack says. */
    maxCapability: Capability,
    /**
     * Commands and requests that only look on this host, as `sonde agent explain` lists them:
     * `socket /run/supervisor.sock GET /status`.
     */
    alsoReadOnly: Type.Optional(
      Type.Array(Type.String({ pattern: "^(command|socket) .", maxLength: 620 }), {
        maxItems: 200,
      }),
    ),
    /** What a hub may grant here; DEFAULT_HUB_MAY_GRANT when it is left out. */
    approvals: Type.Optional(ApprovalSettings),
    /** What leaves this host as a marker beside what the built-in rules know. */
    scrub: Type.Optional(ScrubSettings),
    /** What else a hub may keep, beside the answers. */
    evidence: Type.Optional(
      Type.Object(
        {
          /**
           * A hub that keeps what packs read gets it from this host, scrubbed: files and outputs of
           * commands, of which an answer tells a part. False when it is left out.
           */
          sendReads: Type.Optional(Type.Boolean()),
        },
        { additionalProperties: false },
      ),
    ),
    /** How much of the audit log is kept; what is beyond either limit is dropped, oldest first. */
    audit: Type.Optional(
      Type.Object(
        {
          /** 400 when it is left out. */
          keepDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 36_500 })),
          /** 1 GiB when it is left out. */
          maxBytes: Type.Optional(Type.Integer({ minimum: 16 * 2 ** 20, maximum: 2 ** 40 })),
        },
        { additionalProperties: false },
      ),
    ),
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

/** What a running agent takes over from its configuration file. */
export const LIVE_SETTINGS = [
  ...[
    "alsoReadOnly",
    "approvals",
    "audit",
    "evidence",
    "maxCapability",
    "scrub",
    "trustPolicyPath",
  ],
];

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
