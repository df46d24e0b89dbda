import { type Static, Type } from "typebox";
import { AuditEntry } from "./audit.ts";
import { LogHead } from "./wire/envelope.ts";
import { PackReport, Redactions } from "./wire/messages.ts";
import { AgentName, Digest, PackName, ProbeId, Timestamp, Uuid, Version } from "./names.ts";
import { Failure, ReadTrace, StatedFailure } from "./reads.ts";
import { buildParser } from "./parse/validator.ts";

// REST bodies of the hub. Paths, all below /api/v1, bearer API key:
//   GET    /agents                               -> AgentList
//   GET    /agents/:agent                        -> AgentDetail
//   PUT    /agents/:agent/packs/:publisher/:pack    AssignPack -> AgentDetail
//   DELETE /agents/:agent/packs/:publisher/:pack -> AgentDetail
//   POST   /enrolment-tokens                        CreateToken -> CreatedToken
//   GET    /registry                             -> RegistryLogStatus
//   GET    /tool-pins                            -> ToolPinList
//   POST   /tool-pins                               ApproveTools -> ToolPinList
//   GET    /api-keys                             -> ApiKeyList
//   POST   /api-keys                                CreateApiKey -> CreatedApiKey
//   DELETE /api-keys/:id                         -> ApiKeyList
//   GET    /calls/:callId                        -> CallProvenance
//   GET    /audit?afterSeq=&limit=               -> AuditPage

const closed = { additionalProperties: false } as const;

export const AgentDetail = Type.Object(
  {
    id: Uuid,
    name: AgentName,
    online: Type.Boolean(),
    enrolledAt: Timestamp,
    lastSeenAt: Type.Union([Timestamp, Type.Null()]),
    os: Type.Union([Type.String(), Type.Null()]),
    wall: Type.Union([Type.String(), Type.Null()]),
    desired: Type.Array(Type.Object({ name: PackName, version: Version, digest: Digest }, closed)),
    packs: Type.Array(PackReport),
  },
  closed,
);
export type AgentDetail = Static<typeof AgentDetail>;

export const AgentList = Type.Object({ agents: Type.Array(AgentDetail) }, closed);
export type AgentList = Static<typeof AgentList>;

/**
 * `version` is an exact version, or a range such as `^1`. A range means its newest version in the
 * registry's log.
 */
export const AssignPack = Type.Object(
  { version: Type.String({ minLength: 1, maxLength: 100 }) },
  closed,
);

/** How far the hub follows its registry's log, and which agents were shown a different log. */
export const RegistryLogStatus = Type.Object(
  {
    registry: Type.String(),
    logKey: Type.String(),
    head: Type.Union([LogHead, Type.Null()]),
    /** When the log's key last signed that head. */
    at: Type.Union([Timestamp, Type.Null()]),
    problem: Type.Union([Failure, Type.Null()]),
    forks: Type.Array(Type.Object({ agent: AgentName, head: LogHead }, closed)),
    /**
     * Agents that follow another registry's log. The hub cannot compare their heads with its own.
     */
    elsewhere: Type.Array(Type.Object({ agent: AgentName, logKey: Type.String() }, closed)),
  },
  closed,
);
export type RegistryLogStatus = Static<typeof RegistryLogStatus>;
export const parseRegistryLogStatus = buildParser(RegistryLogStatus, "hub answer", "INTERNAL");

export const CreateToken = Type.Object(
  {
    /** If given, the token enrols only an agent of this name. */
    agentName: Type.Optional(AgentName),
  },
  closed,
);

export const CreatedToken = Type.Object(
  {
    /** `sonde_et_<secret>.<CA fingerprint>`; shown only once. */
    token: Type.String(),
    expiresAt: Timestamp,
    /** host:port of the enrol listener. */
    enrolAddress: Type.String(),
  },
  closed,
);
export type CreatedToken = Static<typeof CreatedToken>;

export const ToolPin = Type.Object(
  {
    probe: ProbeId,
    tool: Type.String(),
    definitionSha256: Digest,
    packDigest: Digest,
    approvedBy: Type.String(),
    approvedAt: Timestamp,
  },
  closed,
);
export const ToolPinList = Type.Object(
  {
    pins: Type.Array(ToolPin),
    /** Tool definitions that differ from their pin and are therefore not served. */
    held: Type.Array(
      Type.Object({ probe: ProbeId, definitionSha256: Digest, packDigest: Digest }, closed),
    ),
  },
  closed,
);
export type ToolPinList = Static<typeof ToolPinList>;

/** Approves the tool definitions of exactly this archive. */
export const ApproveTools = Type.Object({ packDigest: Digest }, closed);

/** What a key may do. Agents and probes are exact names, or `*` for all. */
export const KeyPolicy = Type.Object(
  {
    role: Type.Union([Type.Literal("operator"), Type.Literal("client"), Type.Literal("auditor")]),
    agents: Type.Union([Type.Literal("*"), Type.Array(AgentName, { maxItems: 200 })]),
    probes: Type.Union([Type.Literal("*"), Type.Array(ProbeId, { maxItems: 500 })]),
  },
  closed,
);
export type KeyPolicy = Static<typeof KeyPolicy>;

export const CreateApiKey = Type.Object(
  {
    /** A label for people, without control characters. */
    name: Type.String({ pattern: "^[^\\u0000-\\u001f\\u007f]{1,80}$" }),
    policy: KeyPolicy,
  },
  closed,
);
export const ApiKeySummary = Type.Object(
  {
    id: Uuid,
    name: Type.String(),
    policy: KeyPolicy,
    createdAt: Timestamp,
    revokedAt: Type.Union([Timestamp, Type.Null()]),
  },
  closed,
);
export const ApiKeyList = Type.Object({ keys: Type.Array(ApiKeySummary) }, closed);
export const CreatedApiKey = Type.Object(
  {
    id: Uuid,
    /** `sonde_ak_...`; shown only once, stored as a hash. */
    key: Type.String(),
  },
  closed,
);

/** The complete provenance of one answer. */
export const CallProvenance = Type.Object(
  {
    callId: Uuid,
    principal: Type.String(),
    agent: Type.String(),
    probe: ProbeId,
    pack: Type.Object(
      { name: PackName, version: Version, digest: Digest, signer: Type.String() },
      closed,
    ),
    approved: Type.Union([Type.Object({ by: Type.String(), at: Timestamp }, closed), Type.Null()]),
    reads: Type.Array(ReadTrace),
    /** Milliseconds by hop, in the order of the hops. */
    hops: Type.Array(Type.Object({ hop: Type.String(), ms: Type.Number() }, closed)),
    audit: Type.Object(
      {
        hub: Type.Array(Type.Object({ seq: Type.Integer(), hash: Digest }, closed)),
        agent: Type.Union([
          Type.Object({ size: Type.Integer(), hash: Digest }, closed),
          Type.Null(),
        ]),
      },
      closed,
    ),
  },
  closed,
);
export type CallProvenance = Static<typeof CallProvenance>;

export const AuditPage = Type.Object(
  {
    entries: Type.Array(AuditEntry),
    head: Type.Object({ size: Type.Integer(), hash: Digest }, closed),
  },
  closed,
);
export type AuditPage = Static<typeof AuditPage>;

/** One agent's part of an answer. */
export const ToolResult = Type.Object(
  {
    agent: AgentName,
    status: Type.Union([Type.Literal("ok"), Type.Literal("failure")]),
    data: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    failure: Type.Optional(
      Type.Object(
        { ...StatedFailure.properties, retryable: Type.Boolean(), hint: Type.String() },
        closed,
      ),
    ),
    truncated: Type.Optional(Type.Boolean()),
    redactions: Redactions,
    collectedAt: Type.Union([Timestamp, Type.Null()]),
  },
  closed,
);
export type ToolResult = Static<typeof ToolResult>;

/** The single result shape of all tools. */
export const ToolResults = Type.Object(
  { results: Type.Array(ToolResult), cursor: Type.Optional(Type.String()) },
  closed,
);
export type ToolResults = Static<typeof ToolResults>;

export const parseAgentDetail = buildParser(AgentDetail, "hub answer", "INTERNAL");
export const parseAgentList = buildParser(AgentList, "hub answer", "INTERNAL");
export const parseCreatedToken = buildParser(CreatedToken, "hub answer", "INTERNAL");
export const parseCallProvenance = buildParser(CallProvenance, "hub answer", "INTERNAL");
export const parseToolPinList = buildParser(ToolPinList, "hub answer", "INTERNAL");
export const parseAuditPage = buildParser(AuditPage, "hub answer", "INTERNAL");
