import { type Static, Type } from "typebox";
import { DroppedPart } from "./audit.ts";
import { AgentStatement } from "./wire/attestation.ts";
import { LogHead } from "./wire/envelope.ts";
import { PackReport, Redactions } from "./wire/messages.ts";
import {
  AgentName,
  Capability,
  Digest,
  PackName,
  ProbeId,
  Timestamp,
  Uuid,
  Version,
} from "./names.ts";
import { INVISIBLE } from "./plain-text.ts";
import { PolicyRef } from "./policy.ts";
import { VersionDetails } from "./registry/registry-api.ts";
import { CodeText, Failure, ReadTrace, StatedFailure } from "./reads.ts";
import { buildParser } from "./parse/validator.ts";
import { AgentSelector, Tag, Tags, TagKey, MAX_TAGS } from "./tags.ts";

// REST bodies of the hub. Paths, all below /api/v1, bearer API key:
//   GET    /agents                               -> AgentList
//   GET    /agents/:agent                        -> AgentDetail
//   DELETE /agents/:agent                        -> AgentList
//   POST   /agents/:agent/tags                      ChangeTags -> AgentDetail
//   POST   /agents/:agent/quarantine                QuarantineAgent -> AgentDetail
//   POST   /agents/:agent/release                -> AgentDetail
//   PUT    /agents/:agent/packs/:publisher/:pack    AssignPack -> AgentDetail
//   DELETE /agents/:agent/packs/:publisher/:pack -> AgentDetail
//   GET    /agents/:agent/packs/:publisher/:pack/approval        -> ApprovalRequest
//   POST   /agents/:agent/packs/:publisher/:pack/approve         ApprovePack -> ApprovalOutcome
//   POST   /agents/:agent/packs/:publisher/:pack/revoke-approval -> ApprovalRequest
//   GET    /inbox                                -> Inbox
//   GET    /agents/:agent/attestation            -> AgentAttestation
//   POST   /agents/:agent/accept-drift              AcceptDrift -> AgentAttestation
//   GET    /drift-policy                         -> DriftPolicy
//   PUT    /drift-policy/:on                        SetDriftRule -> DriftPolicy
//   DELETE /drift-policy/:on                     -> DriftPolicy
//   POST   /enrolment-tokens                        CreateToken -> CreatedToken
//   GET    /health                               -> HubHealth, which GET /metrics has for Prometheus
//   GET    /registry                             -> RegistryLogStatus
//   GET    /registry/packs?q=                    -> PackList of the registry, which the hub did not verify
//   GET    /registry/packs/:publisher/:pack      -> PackVersions, likewise
//   GET    /registry/packs/:publisher/:pack/:version -> RegistryVersion
//   POST   /roll-outs                               RollOut -> RollOutState
//   GET    /packs/:digest                        -> HubPackDetail
//   GET    /tool-pins                            -> ToolPinList
//   POST   /tool-pins                               ApproveTools -> ToolPinList
//   GET    /api-keys                             -> ApiKeyList
//   POST   /api-keys                                CreateApiKey -> CreatedApiKey
//   DELETE /api-keys/:id                         -> RevokedApiKey
//   POST   /api-keys/:id/rotate                     RotateApiKey -> RotatedApiKey
//   GET    /signing-keys                         -> SigningKeyList
//   POST   /signing-keys/rotations                  RotateKey -> SigningKeyList
//   GET    /tools                                -> ToolList
//   POST   /tools/:tool/call                        CallTool -> CalledTool
//   GET    /calls?agent=                         -> CallList
//   GET    /calls/:callId                        -> CallProvenance
//   GET    /calls/:callId/evidence               -> Evidence
//   GET    /calls/:callId/evidence/verdict       -> JudgedEvidence
//   GET    /audit?afterSeq=&limit=               -> ChainPage
//                                                   with filters AuditSearchPage, or AuditExportLine as
//                                                   application/x-ndjson, or AuditEntry as text/event-stream
//   GET    /audit/attestation                    -> AuditAttestation
//   POST   /audit/checkpoints                    -> AuditAttestation
//   GET    /audit/entries/:seq/proof             -> AuditProof
//   GET    /audit/sinks                          -> AuditSinkList
//   GET    /audit/holds                          -> AuditHoldList
//   POST   /audit/holds                             CreateAuditHold -> AuditHold
//   DELETE /audit/holds/:id                      -> AuditHoldList
//   GET    /audit/witnesses                      -> OutsideWitnessList
//   POST   /audit/forgotten-logs                    ForgetLog -> ForgottenLog
//   GET    /events                               -> EventStart, then other events, as text/event-stream
// Of accounts, with bodies of people.ts; `me` is whoever is signed in:
//   GET    /people                               -> PersonList
//   PATCH  /people/:id                              ChangePerson -> PersonSummary
//   DELETE /people/:id                           -> PersonList
//   GET    /people/:id/sessions                  -> SessionList
//   DELETE /people/:id/sessions                  -> SessionList
//   GET    /people/invitations                   -> InvitationList
//   POST   /people/invitations                      CreateInvitation -> CreatedInvitation
//   DELETE /people/invitations/:id               -> InvitationList
//   POST   /sign-in/passkey/options              -> PasskeyOptions
//   POST   /sign-in/passkey                         AnswerOfPasskey -> SignedInPerson
//   POST   /join/passkey/options                    JoinWithPasskey -> PasskeyOptions
//   POST   /join/passkey                            AnswerToJoin -> SignedInPerson
//   GET    /me                                   -> Me
//   GET    /sessions                             -> SessionList
//   DELETE /sessions/:id                         -> SessionList
//   POST   /me/passkeys/options                  -> PasskeyOptions
//   POST   /me/passkeys                             AddPasskey -> Me
//   DELETE /me/passkeys/:id                      -> Me
//   POST   /me/password/options                  -> PasswordOptions
//   PUT    /me/password                             SetPassword -> RecoveryCodes
//   DELETE /me/password                          -> Me

const closed = { additionalProperties: false } as const;

/** Where a list goes on. Good for the same list, caller and query. */
export const Cursor = Type.String({ pattern: "^[A-Za-z0-9_-]{1,800}$" });
/** Query values are strings and the schema coerces nothing, so patterns check the digits. */
const page = {
  /** 1 to 1000; without it 1000. */
  limit: Type.Optional(Type.String({ pattern: "^([1-9][0-9]{0,2}|1000)$" })),
  /** `next` of the page before. */
  cursor: Type.Optional(Cursor),
};
export const PageQuery = Type.Object(page, closed);
export type PageQuery = Static<typeof PageQuery>;
/** Of a page that another one follows. */
const next = Type.Optional(Cursor);

/**
 * `locked`: two copies of its identity were seen. `rolled-back`: its host went back in time.
 * `quarantined`, `restricted`: by a person, or by the policy for drift.
 */
export const HoldKind = Type.Enum(["locked", "quarantined", "rolled-back", "restricted"]);
export type HoldKind = Static<typeof HoldKind>;

/** Why no probe of an agent runs until a person releases it. */
export const AgentHold = Type.Object(
  {
    kind: HoldKind,
    /** One line that shows all that it has. Terminals and clients print it. */
    reason: Type.String({ minLength: 1, maxLength: 300, pattern: `^[^${INVISIBLE}]+$` }),
    since: Timestamp,
    /** `key:<id>`, or `hub` when no person did it. */
    by: Type.String({ maxLength: 200 }),
  },
  closed,
);
export type AgentHold = Static<typeof AgentHold>;

/**
 * What the hub makes of an agent's statement. `approved`: as a person approved it. `expected` and
 * `review`: it differs. `unapproved`: nobody approved any. `not-attested`: it did not answer, or its
 * release cannot.
 */
export const AttestationState = Type.Enum([
  "approved",
  "expected",
  "review",
  "unapproved",
  "not-attested",
]);
export type AttestationState = Static<typeof AttestationState>;

/** In short: the differences are for those who may read the statement. */
export const AttestationSummary = Type.Object(
  { state: AttestationState, expected: Type.Integer(), review: Type.Integer() },
  closed,
);
export type AttestationSummary = Static<typeof AttestationSummary>;

export const AgentDetail = Type.Object(
  {
    id: Uuid,
    name: AgentName,
    tags: Tags,
    online: Type.Boolean(),
    enrolledAt: Timestamp,
    /** The end of its newest certificate; null when all are revoked. */
    certificateExpiresAt: Type.Union([Timestamp, Type.Null()]),
    /** Its last statement, or the end of its last session. */
    lastSeenAt: Type.Union([Timestamp, Type.Null()]),
    /** Its clock minus the hub's at its last message, in ms; null before its first one. */
    clockSkewMs: Type.Union([Type.Number(), Type.Null()]),
    /** When it last refused this hub, having seen a later state of it; null since its hello. */
    refusedHubAt: Type.Union([Timestamp, Type.Null()]),
    /** At most one of each kind. */
    holds: Type.Array(AgentHold),
    attestation: AttestationSummary,
    /** The release that it runs; null before its first session. */
    agentVersion: Type.Union([Version, Type.Null()]),
    os: Type.Union([Type.String(), Type.Null()]),
    wall: Type.Union([Type.String(), Type.Null()]),
    desired: Type.Array(Type.Object({ name: PackName, version: Version, digest: Digest }, closed)),
    packs: Type.Array(PackReport),
  },
  closed,
);
export type AgentDetail = Static<typeof AgentDetail>;

export const AgentList = Type.Object({ agents: Type.Array(AgentDetail), next }, closed);
export type AgentList = Static<typeof AgentList>;

/** Sets tags, each in place of the one with its key, and removes others by key. */
export const ChangeTags = Type.Object(
  { set: Tags, remove: Type.Array(TagKey, { maxItems: MAX_TAGS }) },
  closed,
);
export type ChangeTags = Static<typeof ChangeTags>;

/** Why a person quarantines an agent. */
export const QuarantineAgent = Type.Object({ reason: AgentHold.properties.reason }, closed);

/**
 * `version` is an exact version, or a range such as `^1`. A range means its newest version in the
 * registry's log.
 */
export const AssignPack = Type.Object(
  { version: Type.String({ minLength: 1, maxLength: 100 }) },
  closed,
);

/** One way in which an agent's statement differs from what a person approved. */
export const Difference = Type.Object(
  {
    /** Such as `kernel`, or `configuration /etc/sonde-agent/agent.json`. */
    what: Type.String(),
    drift: Type.Enum(["expected", "review"]),
    /** Null for what is new. */
    approved: Type.Union([Type.String(), Type.Null()]),
    /** Null for what is gone. */
    stated: Type.Union([Type.String(), Type.Null()]),
  },
  closed,
);
export type Difference = Static<typeof Difference>;

/** An agent's last statement, beside the one that was approved. */
export const AgentAttestation = Type.Object(
  {
    agent: AgentName,
    state: AttestationState,
    /** When the last statement came; null before the first one. */
    attestedAt: Type.Union([Timestamp, Type.Null()]),
    approvedAt: Type.Union([Timestamp, Type.Null()]),
    /** `key:<id>` of the person who accepted it, or who invited the agent. */
    approvedBy: Type.Union([Type.String(), Type.Null()]),
    differences: Type.Array(Difference),
    statementSha256: Type.Union([Digest, Type.Null()]),
    statement: Type.Union([AgentStatement, Type.Null()]),
  },
  closed,
);
export type AgentAttestation = Static<typeof AgentAttestation>;

/** Approves exactly this statement. */
export const AcceptDrift = Type.Object({ statementSha256: Digest }, closed);

/** What the hub does to an agent with drift to review. */
export const DriftAction = Type.Enum(["flag", "restrict", "quarantine"]);
export type DriftAction = Static<typeof DriftAction>;

/** A tag, or `all` for every agent. */
export const DriftSelector = Type.Union([Type.Literal("all"), Tag]);
export type DriftSelector = Static<typeof DriftSelector>;

/** Of the rules that fit an agent the strictest counts; without one it is `flag`. */
export const DriftPolicy = Type.Object(
  {
    rules: Type.Array(
      Type.Object(
        { on: DriftSelector, action: DriftAction, setBy: Type.String(), setAt: Timestamp },
        closed,
      ),
    ),
    next,
  },
  closed,
);
export type DriftPolicy = Static<typeof DriftPolicy>;

export const SetDriftRule = Type.Object({ action: DriftAction }, closed);

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

const Count = Type.Integer({ minimum: 0 });
/** The most sinks that a hub has. */
export const MAX_SINKS = 16;
export const SinkName = Type.String({ pattern: "^[a-z][a-z0-9-]{0,39}$" });
export const SinkKind = Type.Enum(["syslog", "webhook", "otlp", "file"]);

/** How far a sink of the audit log is. */
export const AuditSinkState = Type.Object(
  {
    name: SinkName,
    kind: SinkKind,
    /** The last entry that the receiver has acknowledged. */
    seq: Count,
    /** What the log has after it: so many entries, the oldest of them so old. */
    lagEntries: Count,
    lagSeconds: Type.Number({ minimum: 0 }),
    /** Since when no attempt has worked; null while it works. */
    failingSince: Type.Union([Timestamp, Type.Null()]),
    /** Of the last attempt that failed, also of one before it worked again; null without one. */
    lastError: Type.Union([
      Type.Object({ code: CodeText, message: Type.String() }, closed),
      Type.Null(),
    ]),
    /** Attempts that failed at the hub that was asked, since it started. */
    failures: Count,
    /** Entries that the receiver took and said that it had dropped. */
    rejected: Count,
  },
  closed,
);
export type AuditSinkState = Static<typeof AuditSinkState>;

export const AuditSinkList = Type.Object(
  { sinks: Type.Array(AuditSinkState, { maxItems: MAX_SINKS }) },
  closed,
);
export type AuditSinkList = Static<typeof AuditSinkList>;
export const parseAuditSinkList = buildParser(AuditSinkList, "sinks", "INTERNAL");

/** The most witnesses that a hub has. */
export const MAX_WITNESSES = 16;
export const WitnessKind = Type.Enum(["file", "webhook", "tlog-witness"]);

/** How far a witness outside is: a receiver of the audit log's checkpoints. */
export const OutsideWitnessState = Type.Object(
  {
    name: SinkName,
    kind: WitnessKind,
    /** The entries of the last checkpoint that it took, and when; 0 and null before the first. */
    size: Count,
    takenAt: Type.Union([Timestamp, Type.Null()]),
    /** What the newest checkpoint has beyond it. */
    lagEntries: Count,
    /** Since when no attempt has worked; null while it works. */
    failingSince: Type.Union([Timestamp, Type.Null()]),
    /** True while it says that it has seen another log of this hub. */
    disagrees: Type.Boolean(),
    /** Of the last attempt that failed, also of one before it worked again; null without one. */
    lastError: Type.Union([
      Type.Object({ code: CodeText, message: Type.String() }, closed),
      Type.Null(),
    ]),
    /** Attempts that failed at the hub that was asked, since it started. */
    failures: Count,
  },
  closed,
);
export type OutsideWitnessState = Static<typeof OutsideWitnessState>;

export const OutsideWitnessList = Type.Object(
  { witnesses: Type.Array(OutsideWitnessState, { maxItems: MAX_WITNESSES }) },
  closed,
);
export type OutsideWitnessList = Static<typeof OutsideWitnessList>;
export const parseOutsideWitnessList = buildParser(OutsideWitnessList, "witnesses", "INTERNAL");

/** Names a log that this hub has cosigned as a witness, by the first line of its checkpoints. */
export const ForgetLog = Type.Object(
  { origin: Type.String({ minLength: 1, maxLength: 400 }) },
  closed,
);
export type ForgetLog = Static<typeof ForgetLog>;

/** What was forgotten: the entries and the root, in Base64, that were cosigned last. */
export const ForgottenLog = Type.Object(
  { ...ForgetLog.properties, size: Count, root: Type.String() },
  closed,
);
export type ForgottenLog = Static<typeof ForgottenLog>;
export const parseForgottenLog = buildParser(ForgottenLog, "forgotten log", "INTERNAL");

/** Whether the hub and what it stands on are well, in numbers. */
export const HubHealth = Type.Object(
  {
    release: Type.String(),
    startedAt: Timestamp,
    /** Hubs of this database that run. */
    hubs: Count,
    /** How long the database took to answer just now. */
    database: Type.Object({ answerMs: Type.Number({ minimum: 0 }) }, closed),
    agents: Type.Object(
      {
        online: Count,
        offline: Count,
        held: Count,
        /** Those that saw a later state of this hub than it has. */
        refusing: Count,
        /** Those whose certificate ends within four hours, or has ended. They renew long before. */
        ending: Count,
        /** The first of these. */
        endingFirst: Type.Array(Type.Object({ agent: AgentName, endsAt: Timestamp }, closed), {
          maxItems: 20,
        }),
      },
      closed,
    ),
    /** The hub's own: of its authority, of its listeners for agents, and of those for people. */
    certificates: Type.Array(
      Type.Object(
        { of: Type.Enum(["authority", "agents", "http", "public"]), endsAt: Timestamp },
        closed,
      ),
    ),
    registryLog: Type.Object(
      {
        /** Null while it was not read yet. */
        entries: Type.Union([Count, Type.Null()]),
        headAt: Type.Union([Timestamp, Type.Null()]),
        /** Why it could not be followed last, or that it is another one than before. */
        problem: Type.Union([CodeText, Type.Null()]),
        /** Agents that were shown another log. */
        forks: Count,
        elsewhere: Count,
      },
      closed,
    ),
    audit: LogHead,
    /** How far the hub's audit key speaks for the audit log. */
    attested: Type.Object(
      {
        /** Entries in the newest checkpoint, and when it was signed; null before the first. */
        entries: Count,
        at: Type.Union([Timestamp, Type.Null()]),
        /** Why the log is not the one that was signed; null while it is. */
        problem: Type.Union([CodeText, Type.Null()]),
      },
      closed,
    ),
    /** Of the audit log, those that are configured. */
    sinks: Type.Array(AuditSinkState, { maxItems: MAX_SINKS }),
    /** Of its checkpoints, those that are configured. */
    witnesses: Type.Array(OutsideWitnessState, { maxItems: MAX_WITNESSES }),
    /** Of people, those in force. */
    sessions: Count,
  },
  closed,
);
export type HubHealth = Static<typeof HubHealth>;

export const CreateToken = Type.Object(
  {
    /** If given, the token enrols only an agent of this name. */
    agentName: Type.Optional(AgentName),
    /** Tags of the agent that it enrols. Without any, an agent that is known keeps its own. */
    tags: Type.Optional(Tags),
    /**
     * Whether the first statement of the agent that enrols counts as approved by the key that makes
     * the token. Without it, it does.
     */
    approvesFirst: Type.Optional(Type.Boolean()),
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

const { description, license, repository, signedBy, permissions, probes } =
  VersionDetails.properties;
/** A pack that the hub verified, for people. */
export const HubPackDetail = Type.Object(
  {
    name: PackName,
    version: Version,
    digest: Digest,
    ...{ description, license, repository, signedBy, permissions, probes },
  },
  closed,
);
export type HubPackDetail = Static<typeof HubPackDetail>;

// The README is HTML, which no page of the hub shows. What lets a host trust a signer is for whoever
// administers it, who compares it elsewhere.
const { readmeHtml: _html, trust: _trust, ...said } = VersionDetails.properties;
/** A version that the registry has: what it says of it, and what the hub found out itself. */
export const RegistryVersion = Type.Object(
  {
    /** By the registry's own word. */
    said: Type.Object(said, closed),
    /** What the version before reads too, and this one in another or a larger part, in words. */
    wider: Type.Array(Type.String()),
    /** Its entry in the registry's log, which this hub followed and checked; null without one. */
    logged: Type.Union([
      Type.Object({ index: Type.Integer({ minimum: 0 }), at: Timestamp, head: LogHead }, closed),
      Type.Null(),
    ]),
    /** Why the log lets no host have it: a quarantine or a grave advisory. */
    stopped: Type.Union([Type.String(), Type.Null()]),
    /** Why this hub's policy would refuse the signer that the registry names; null when it would not. */
    refusal: Type.Union([Failure, Type.Null()]),
    /** Who signed it, as this hub verified when it fetched the archive; null before that. */
    verifiedSigner: Type.Union([Type.String(), Type.Null()]),
  },
  closed,
);
export type RegistryVersion = Static<typeof RegistryVersion>;

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
    next,
  },
  closed,
);
export type ToolPinList = Static<typeof ToolPinList>;

/** Approves the tool definitions of exactly this archive. */
export const ApproveTools = Type.Object({ packDigest: Digest }, closed);

/**
 * What a key may do. Agents are exact names and tags, of which one must fit; probes are exact names.
 * `*` means all.
 */
export const KeyPolicy = Type.Object(
  {
    role: Type.Enum(["operator", "client", "auditor", "metrics"]),
    agents: Type.Union([Type.Literal("*"), Type.Array(AgentSelector, { maxItems: 200 })]),
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
    /** A policy that narrows the key besides its own lists: one of its own, or by name. */
    held: Type.Optional(PolicyRef),
    /** From when on the key is refused. A key of which the maker ends, must end by then. */
    expiresAt: Type.Optional(Timestamp),
  },
  closed,
);
export type CreateApiKey = Static<typeof CreateApiKey>;
export const ApiKeySummary = Type.Object(
  {
    id: Uuid,
    name: Type.String(),
    policy: KeyPolicy,
    createdAt: Timestamp,
    /** The key that made it, as `key:ID`; null for one that the hub made. */
    createdBy: Type.Union([Type.String({ maxLength: 200 }), Type.Null()]),
    revokedAt: Type.Union([Timestamp, Type.Null()]),
    held: Type.Union([PolicyRef, Type.Null()]),
    expiresAt: Type.Union([Timestamp, Type.Null()]),
    rotatedAt: Type.Union([Timestamp, Type.Null()]),
    /** The end of the secret before the last rotation. */
    previousEndsAt: Type.Union([Timestamp, Type.Null()]),
    /** To the minute. */
    lastUsedAt: Type.Union([Timestamp, Type.Null()]),
    lastUsedAddress: Type.Union([Type.String(), Type.Null()]),
  },
  closed,
);
export type ApiKeySummary = Static<typeof ApiKeySummary>;
export const ApiKeyList = Type.Object({ keys: Type.Array(ApiKeySummary), next }, closed);
export type ApiKeyList = Static<typeof ApiKeyList>;
/** `ended` are the keys that were made with the revoked one, and ended with it. */
export const RevokedApiKey = Type.Object(
  {
    keys: Type.Array(ApiKeySummary),
    ended: Type.Array(Type.Object({ id: Uuid, name: Type.String() }, closed)),
  },
  closed,
);
export type RevokedApiKey = Static<typeof RevokedApiKey>;
export const CreatedApiKey = Type.Object(
  {
    id: Uuid,
    /** `sonde_ak_...`; shown only once, stored as a hash. */
    key: Type.String(),
  },
  closed,
);
export type CreatedApiKey = Static<typeof CreatedApiKey>;

/** For how long the present secret works beside the new one; 0 ends it at once. */
export const RotateApiKey = Type.Object(
  { overlapMinutes: Type.Integer({ minimum: 0, maximum: 7 * 24 * 60 }) },
  closed,
);
export const RotatedApiKey = Type.Object(
  { ...CreatedApiKey.properties, previousEndsAt: Timestamp },
  closed,
);
export type RotatedApiKey = Static<typeof RotatedApiKey>;

/** The keys by which a hub proves itself to agents. Never a private half. */
export const SigningKeyList = Type.Object(
  {
    keys: Type.Array(
      Type.Object(
        {
          use: Type.Enum(["ca", "tls", "command", "audit", "witness"]),
          /** A KeyAlgorithm for a command, audit or witness key, else the curve of an ECDSA key. */
          algorithm: Type.String(),
          /** SHA-256 of its SubjectPublicKeyInfo. */
          keyId: Digest,
          since: Timestamp,
          /** null for the command or audit key that signs now: it has no end of its own. */
          until: Type.Union([Timestamp, Type.Null()]),
          /**
           * Of an Ed25519 audit key: what a witness outside needs to cosign this log. Of the witness
           * key: what a log needs to know this hub's cosignatures. C2SP vkeys.
           */
          vkey: Type.Optional(Type.String()),
        },
        closed,
      ),
    ),
    /** The set by which agents follow the command and audit keys. */
    keySet: Type.Object(
      { epoch: Type.Integer(), version: Type.Integer(), expiresAt: Timestamp },
      closed,
    ),
  },
  closed,
);
export type SigningKeyList = Static<typeof SigningKeyList>;
export const RotateKey = Type.Object(
  {
    key: Type.Enum(["command", "audit"]),
    /** How long the present key stays, for agents that follow no key set; 0 ends it at once. */
    overlapDays: Type.Integer({ minimum: 0, maximum: 30 }),
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
    /**
     * Who approved the pack on the host, at the time of the call; null when nobody had to.
     * `unrecorded` for a call of release 0.1.0, whose record does not say.
     */
    approved: Type.Union([
      Type.Object({ by: Type.String(), at: Timestamp }, closed),
      Type.Null(),
      Type.Literal("unrecorded"),
    ]),
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

/**
 * The first event of a stream: who listens, and which rights it has. It comes again when the rights
 * have changed. Other events have the name `agent` (AgentDetail), `agent-gone`, `audit` (AuditEntry),
 * `changed` (the kind of what must be read again), `reset` (all of it) and `end`. The id of an event is
 * the place to continue from, as Last-Event-ID: the directory's change and the audit log's entry.
 */
export const EventStart = Type.Object(
  {
    /** Such as `key:<id>`. */
    id: Type.String(),
    name: Type.String(),
    rights: Type.Array(Type.String()),
  },
  closed,
);
export type EventStart = Static<typeof EventStart>;
/** `tools`: pins and packs. `clients`: OAuth clients and grants. `policies`: also who holds one. */
export type ChangedKind = "tools" | "keys" | "people" | "clients" | "policies";

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

/** A tool as a client sees it, and where it may be called. */
export const ToolSummary = Type.Object(
  {
    name: Type.String(),
    /** Null for a tool of the hub itself. */
    probe: Type.Union([ProbeId, Type.Null()]),
    capability: Type.Union([Capability, Type.Null()]),
    description: Type.String(),
    /** JSON Schema of the arguments, without the agent. */
    inputSchema: Type.Record(Type.String(), Type.Unknown()),
    /** Those that the caller may ask it; empty for a tool of the hub itself. */
    agents: Type.Array(AgentName),
  },
  closed,
);
export type ToolSummary = Static<typeof ToolSummary>;
export const ToolList = Type.Object({ tools: Type.Array(ToolSummary), next }, closed);
export type ToolList = Static<typeof ToolList>;

/** Without an agent it asks the only one. `#role=web` means those with the tag. */
export const CallTool = Type.Object(
  {
    agent: Type.Optional(
      Type.Union([
        Type.String({ maxLength: 200 }),
        Type.Array(Type.String({ maxLength: 200 }), { maxItems: 1000 }),
      ]),
    ),
    arguments: Type.Optional(Type.Record(Type.String({ maxLength: 100 }), Type.Unknown())),
    /** Says what the call would read, and reads nothing. */
    explain: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type CallTool = Static<typeof CallTool>;

/** The answer of a tool, as data and as a model gets it. */
export const CalledTool = Type.Object(
  {
    results: Type.Array(Type.Object({ ...ToolResult.properties, agent: Type.String() }, closed)),
    /** One for each result of a pack's tool, in the same order. */
    callIds: Type.Array(Uuid),
    text: Type.String(),
    /** Of the next page of the text, for read_result; absent when it is whole. */
    textCursor: Type.Optional(Type.String()),
  },
  closed,
);
export type CalledTool = Static<typeof CalledTool>;

/** One agent's part of a call, without parameters and answer. */
export const CallSummary = Type.Object(
  {
    callId: Uuid,
    at: Timestamp,
    principal: Type.String(),
    agent: Type.String(),
    /** Null where the tool that was named is unknown. */
    probe: Type.Union([ProbeId, Type.Null()]),
    status: Type.Enum(["running", "ok", "failure", "denied"]),
    code: Type.Union([Type.String(), Type.Null()]),
    durationMs: Type.Union([Type.Number(), Type.Null()]),
  },
  closed,
);
export type CallSummary = Static<typeof CallSummary>;
export const CallQuery = Type.Object({ ...page, agent: Type.Optional(AgentName) }, closed);
export const CallList = Type.Object(
  {
    calls: Type.Array(CallSummary),
    /** Only where content of that part of the audit log was dropped: calls of then are not here. */
    dropped: Type.Optional(DroppedPart),
    next,
  },
  closed,
);
export type CallList = Static<typeof CallList>;

/**
 * One step of a roll-out: gives a version to the next few agents, once those that have it have
 * verified it. It is repeated until nobody is left.
 */
export const RollOut = Type.Object(
  {
    pack: PackName,
    version: AssignPack.properties.version,
    /** Names and tags; `*` for every agent. */
    on: Type.Union([Type.Literal("*"), Type.Array(AgentSelector, { minItems: 1, maxItems: 1000 })]),
    /** How many agents a step gives it to; without it all that are left. */
    atOnce: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
  },
  closed,
);
export type RollOut = Static<typeof RollOut>;

/** Where a roll-out is. Each agent is in one of the lists. */
export const RollOutState = Type.Object(
  {
    pack: PackName,
    /** What a range means, for the next steps. */
    version: Version,
    /** Verified it, or are offline and take it when they come back. */
    done: Type.Array(AgentName),
    /** Were given it and have not said anything of it yet. */
    waiting: Type.Array(AgentName),
    /** Did not take it. While there is one, no step gives it to anybody. */
    stopped: Type.Array(
      Type.Object(
        { agent: AgentName, state: Type.String(), reason: PackReport.properties.reason },
        closed,
      ),
    ),
    left: Type.Array(AgentName),
  },
  closed,
);
export type RollOutState = Static<typeof RollOutState>;

export const parseToolList = buildParser(ToolList, "hub answer", "INTERNAL");
export const parseCalledTool = buildParser(CalledTool, "hub answer", "INTERNAL");
export const parseCallList = buildParser(CallList, "hub answer", "INTERNAL");
export const parseRollOutState = buildParser(RollOutState, "hub answer", "INTERNAL");
export const parseAgentDetail = buildParser(AgentDetail, "hub answer", "INTERNAL");
export const parseAgentAttestation = buildParser(AgentAttestation, "hub answer", "INTERNAL");
export const parseDriftPolicy = buildParser(DriftPolicy, "hub answer", "INTERNAL");
export const parseAgentList = buildParser(AgentList, "hub answer", "INTERNAL");
export const parseApiKeyList = buildParser(ApiKeyList, "hub answer", "INTERNAL");
export const parseSigningKeyList = buildParser(SigningKeyList, "hub answer", "INTERNAL");
export const parseRevokedApiKey = buildParser(RevokedApiKey, "hub answer", "INTERNAL");
export const parseRotatedApiKey = buildParser(RotatedApiKey, "hub answer", "INTERNAL");
export const parseCreatedApiKey = buildParser(CreatedApiKey, "hub answer", "INTERNAL");
export const parseCreatedToken = buildParser(CreatedToken, "hub answer", "INTERNAL");
export const parseCallProvenance = buildParser(CallProvenance, "hub answer", "INTERNAL");
export const parseToolPinList = buildParser(ToolPinList, "hub answer", "INTERNAL");
