import { type Static, Type } from "typebox";
import { Endpoint, ReadWindow, Requires } from "./manifest/manifest.ts";
import { AgentName, Capability, Digest, PackName, Timestamp, Uuid, Version } from "./names.ts";
import { buildParser } from "./parse/validator.ts";
import { Failure } from "./reads.ts";
import { Signer } from "./trust/signer.ts";
import { LogHead } from "./wire/envelope.ts";
import { PackReport } from "./wire/messages.ts";
import { HubMayGrant } from "./hub-may-grant.ts";

export {
  ApprovalSettings,
  DEFAULT_HUB_MAY_GRANT,
  HubMayGrant,
  parseApprovalSettings,
} from "./hub-may-grant.ts";

// HTTP over the agent's own unix socket, for `sonde agent ...` on the host:
//   GET  /status                                 -> AgentStatus
//   GET  /packs                                  -> AgentPacks
//   GET  /packs/:publisher/:pack                 -> PackExplanation
//   POST /reload                                 -> AgentPacks   (read the grants again)
//   POST /accept-hub                             -> AgentStatus  (forget what was seen of the hub)

const closed = { additionalProperties: false } as const;

/**
 * A pattern of the operator's own, in the agent's configuration. What it matches leaves the host as
 * `[redacted:own-NAME]`. It sees one line at a time.
 */
export const OwnPattern = Type.Object(
  {
    name: Type.String({ pattern: "^[a-z]+(-[a-z]+)*$", maxLength: 32 }),
    /** In the syntax of RE2: no look-around and no back-reference. `(?i)` ignores case. */
    pattern: Type.String({ minLength: 1, maxLength: 512 }),
    /** A text that it matches; no real secret. */
    example: Type.String({ minLength: 1, maxLength: 512 }),
  },
  closed,
);
export type OwnPattern = Static<typeof OwnPattern>;

/** The member `scrub` of the agent's configuration. */
export const ScrubSettings = Type.Object(
  { patterns: Type.Array(OwnPattern, { maxItems: 32 }) },
  closed,
);
export type ScrubSettings = Static<typeof ScrubSettings>;
export const parseScrubSettings = buildParser(
  ScrubSettings,
  "scrub of the agent's configuration",
  "CONFIG_INVALID",
);

export const AgentStatus = Type.Object(
  {
    name: AgentName,
    agentId: Uuid,
    hubId: Uuid,
    connected: Type.Boolean(),
    connectedSince: Type.Union([Timestamp, Type.Null()]),
    /** The end of the agent's certificate; and why it opens nothing, where the hub refuses it. */
    certificate: Type.Object(
      { endsAt: Timestamp, problem: Type.Union([Failure, Type.Null()]) },
      closed,
    ),
    /** The newest state of the hub that the agent saw, and why it refused the hub last. */
    hub: Type.Object(
      {
        /** `EPOCH.VERSION`; `0.0` before the first one. */
        keySet: Type.String(),
        auditHead: Type.Union([LogHead, Type.Null()]),
        problem: Type.Union([Failure, Type.Null()]),
      },
      closed,
    ),
    maxCapability: Capability,
    /** What the hub may grant on this host, and what of it a person granted there. */
    hubGrants: Type.Object(
      {
        mayGrant: HubMayGrant,
        packs: Type.Array(
          Type.Object({ pack: PackName, by: Type.String(), at: Timestamp }, closed),
        ),
      },
      closed,
    ),
    wall: Type.Union([Type.Literal("separate-user"), Type.Literal("same-uid")]),
    runners: Type.Array(
      Type.Object(
        { pid: Type.Integer(), groups: Type.Array(Type.String()), confinement: Type.String() },
        closed,
      ),
    ),
    /** The log's head, and why it takes no entry at present: every call is refused until it does. */
    audit: Type.Object(
      { size: Type.Integer(), hash: Digest, problem: Type.Union([Failure, Type.Null()]) },
      closed,
    ),
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
    /** Where its holes for endpoints may lead, by the present grant. */
    endpoints: Type.Array(Type.String()),
    /** How much it reads of each. */
    windows: Type.Array(ReadWindow),
    /** The windows that are not within the present grant. */
    wider: Type.Array(ReadWindow),
    /** Why it is in this state, and the next step; null when it serves. */
    reason: Type.Union([Failure, Type.Null()]),
    /** The present grant; null before the first approval. */
    granted: Type.Union([Type.Object({ by: Type.String(), at: Timestamp }, closed), Type.Null()]),
    hub: Type.Object(
      {
        /** What of the present grant a person gave at the hub; null when that is nothing. */
        granted: Type.Union([
          Type.Object(
            { by: Type.String(), at: Timestamp, items: Type.Array(Type.String()) },
            closed,
          ),
          Type.Null(),
        ]),
        /** The items that this host lets its hub grant. */
        mayGrant: Type.Array(Type.String()),
        /** True after `sonde-agent revoke`: the hub cannot grant anything of this pack. */
        revoked: Type.Boolean(),
      },
      closed,
    ),
    /** What the pack asks for beyond the present grant and what that withholds. */
    missing: Requires,
    /** What was granted and the pack no longer asks for. */
    gone: Requires,
    /**
     * All that it asks for, by the names that an approval of single items uses: `group docker`,
     * `file /proc/meminfo`. `withheld` was asked for before and not granted; `asked` waits for a person.
     */
    items: Type.Array(
      Type.Object(
        {
          item: Type.String(),
          state: Type.Union([
            Type.Literal("granted"),
            Type.Literal("withheld"),
            Type.Literal("asked"),
          ]),
        },
        closed,
      ),
    ),
    /** One entry per probe and read: the exact file, argv or request. */
    probes: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          description: Type.String(),
          capability: Capability,
          /** The items that it reads and that were withheld: without them it cannot be called. */
          lacks: Type.Array(Type.String()),
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
    /** What the person saw and did not grant. Left out when that is nothing. */
    withheld: Type.Optional(Requires),
    /**
     * How much may be read of each. A grant of an earlier release has none, and then covers that
     * archive only.
     */
    windows: Type.Optional(Type.Array(ReadWindow, { maxItems: 1000 })),
    /** Where the pack may connect to by a hole. Left out when that is nothing. */
    endpoints: Type.Optional(Type.Array(Endpoint, { maxItems: 100 })),
    approvedBy: Type.String({ minLength: 1, maxLength: 200 }),
    approvedAt: Timestamp,
  },
  closed,
);
export type GrantFile = Static<typeof GrantFile>;

/**
 * The drop-in by which `sonde-agent approve` gives an instance of `sonde-runner@.service` its groups.
 * A hub knows it by its bytes.
 */
export function describeRunnerGroups(groups: readonly string[]): string {
  return `# By sonde-agent approve; sonde-agent revoke takes it away.\n[Service]\nSupplementaryGroups=${groups.join(" ")}\n`;
}

/**
 * The drop-in by which `sonde-agent approve` lets an instance of `sonde-runner@.service` reach other
 * hosts, for packs that were granted some. Link-local addresses and those at which clouds hand out
 * credentials stay closed by the kernel too. Nothing that such a runner reads needs a device or the
 * host's own mounts.
 */
export const RUNNER_NETWORK_DROP_IN = `# By sonde-agent approve; sonde-agent revoke takes it away.
[Service]
IPAddressDeny=
IPAddressDeny=169.254.0.0/16 fe80::/10 fd00:ec2::254 fd20:ce::254 100.100.100.200 168.63.129.16 192.0.0.192
UnsetEnvironment=SONDE_RUNNER_REACH
PrivateDevices=yes
`;

export const parseAgentStatus = buildParser(AgentStatus, "agent answer", "INTERNAL");
export const parseAgentPacks = buildParser(AgentPacks, "agent answer", "INTERNAL");
export const parsePackExplanation = buildParser(PackExplanation, "agent answer", "INTERNAL");
export const parseGrantFile = buildParser(GrantFile, "grant file", "CONFIG_INVALID");
