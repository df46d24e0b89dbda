import { type Static, Type } from "typebox";
import { LogHead } from "./wire/envelope.ts";
import { Requires } from "./manifest/manifest.ts";
import { PackReport } from "./wire/messages.ts";
import { AgentName, Capability, Digest, PackName, Timestamp, Uuid, Version } from "./names.ts";
import { Failure } from "./reads.ts";
import { Signer } from "./trust/signer.ts";
import { buildParser } from "./parse/validator.ts";

// HTTP over the agent's own unix socket, for `sonde agent ...` on the host:
//   GET  /status                                 -> AgentStatus
//   GET  /packs                                  -> AgentPacks
//   GET  /packs/:publisher/:pack                 -> PackExplanation
//   POST /reload                                 -> AgentPacks   (read the grants again)

const closed = { additionalProperties: false } as const;

export const AgentStatus = Type.Object(
  {
    name: AgentName,
    agentId: Uuid,
    hubId: Uuid,
    connected: Type.Boolean(),
    connectedSince: Type.Union([Timestamp, Type.Null()]),
    maxCapability: Capability,
    wall: Type.Union([Type.Literal("separate-user"), Type.Literal("same-uid")]),
    runners: Type.Array(
      Type.Object(
        { pid: Type.Integer(), groups: Type.Array(Type.String()), confinement: Type.String() },
        closed,
      ),
    ),
    audit: Type.Object({ size: Type.Integer(), hash: Digest }, closed),
    /**
     * How far the agent follows the registry's log and when the log's key last signed that head, or
     * why it cannot follow.
     */
    registry: Type.Object(
      {
        head: Type.Union([LogHead, Type.Null()]),
        at: Type.Union([Timestamp, Type.Null()]),
        problem: Type.Union([Failure, Type.Null()]),
      },
      closed,
    ),
  },
  closed,
);
export type AgentStatus = Static<typeof AgentStatus>;

export const AgentPacks = Type.Object({ packs: Type.Array(PackReport) }, closed);
export type AgentPacks = Static<typeof AgentPacks>;

/** What a pack would do on this host. Available before the pack ever runs. */
export const PackExplanation = Type.Object(
  {
    name: PackName,
    version: Version,
    digest: Digest,
    signer: Signer,
    state: PackReport.properties.state,
    requires: Requires,
    /** What the pack asks for beyond the present grant. */
    missing: Requires,
    /** One entry per probe and read: the exact file, argv or request. */
    probes: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          description: Type.String(),
          capability: Capability,
          reads: Type.Array(
            Type.Object(
              { name: Type.String(), what: Type.String(), runsAs: Type.String() },
              closed,
            ),
          ),
        },
        closed,
      ),
    ),
    /** Commands to run before the approval, such as starting a runner with a group. */
    before: Type.Array(Type.String()),
  },
  closed,
);
export type PackExplanation = Static<typeof PackExplanation>;

/**
 * A grant file, `<publisher>--<pack>.json` in the host's grants folder. Owned by root; without
 * root, by the agent's user.
 */
export const GrantFile = Type.Object(
  {
    pack: PackName,
    /** Digest of the archive that was shown when the person approved. */
    digest: Digest,
    requires: Requires,
    approvedBy: Type.String({ minLength: 1, maxLength: 200 }),
    approvedAt: Timestamp,
  },
  closed,
);
export type GrantFile = Static<typeof GrantFile>;

export const parseAgentStatus = buildParser(AgentStatus, "agent answer", "INTERNAL");
export const parseAgentPacks = buildParser(AgentPacks, "agent answer", "INTERNAL");
export const parsePackExplanation = buildParser(PackExplanation, "agent answer", "INTERNAL");
export const parseGrantFile = buildParser(GrantFile, "grant file", "CONFIG_INVALID");
