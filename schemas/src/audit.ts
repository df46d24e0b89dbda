import { type Static, Type } from "typebox";
import { Digest, ProbeId, Timestamp, Uuid } from "./names.ts";
import { CodeText } from "./reads.ts";
import { buildParser } from "./parse/validator.ts";
import { TreeHash } from "./wire/checkpoint.ts";
import { DsseEnvelope, LogHead } from "./wire/envelope.ts";

const closed = { additionalProperties: false } as const;

export const AuditEvent = Type.Enum([
  "call.request",
  "call.reads",
  "call.response",
  "call.denied",
  "request.denied",
  "request.refused",
  "call.unknown",
  "agent.enrolling",
  "agent.enrolled",
  "agent.renewed",
  "agent.recovered",
  "agent.changed",
  "agent.connected",
  "agent.disconnected",
  "ceiling.changed",
  "trust.changed",
  "agent.refused",
  "agent.revoked",
  "agent.tagged",
  "agent.held",
  "agent.released",
  "agent.attested",
  "agent.drifted",
  "agent.unattested",
  "drift.accepted",
  "drift-policy.changed",
  "token.created",
  "token.refused",
  "token.revoked",
  "publisher.added",
  "publisher-key.added",
  "publisher-key.removed",
  "publisher-identity.added",
  "publisher-identity.removed",
  "trusted-publisher.added",
  "trusted-publisher.removed",
  "key.created",
  "key.revoked",
  "key.rotated",
  "key.refused",
  "client.registered",
  "client.removed",
  "grant.created",
  "grant.refused",
  "grant.ended",
  "link.created",
  "link.revoked",
  "person.created",
  "person.changed",
  "person.deleted",
  "credential.changed",
  "sign-in.accepted",
  "sign-in.refused",
  "session.ended",
  "command-key.changed",
  "audit-key.changed",
  "hub.accepted",
  "hub.backed-up",
  "hub.restored",
  "desired-state.changed",
  "tools.approved",
  "pack.approved",
  "pack.approval-revoked",
  "hub-grants.changed",
  "hub-grants.refused",
  "policy.changed",
  "access-policy.changed",
  "access-policy.held",
  "pack.state",
  "pack.refused",
  "registry.inconsistent",
  "registry.consistent",
  "envelope.refused",
  "log.read",
  "log.opened",
  "log.dropped",
  "audit-hold.created",
  "audit-hold.released",
  "sink.failing",
  "sink.recovered",
  "sink.missed",
  "witness.disagreed",
  "witness.refused",
  "witness.forgot",
]);
export type AuditEvent = Static<typeof AuditEvent>;

/**
 * The content of an audit entry, the same on hub, agent and registry. The chain's fields (seq, previous hash,
 * hash) are added when the entry is appended; see trust/chain.
 */
export const AuditRecord = Type.Object(
  {
    at: Timestamp,
    event: AuditEvent,
    callId: Type.Union([Uuid, Type.Null()]),
    principal: Type.Union([Type.String({ maxLength: 200 }), Type.Null()]),
    agent: Type.Union([Type.String({ maxLength: 100 }), Type.Null()]),
    probe: Type.Union([ProbeId, Type.Null()]),
    packDigest: Type.Union([Digest, Type.Null()]),
    status: Type.Enum(["ok", "failure", "denied", "info"]),
    code: Type.Union([CodeText, Type.Null()]),
    durationMs: Type.Union([Type.Number({ minimum: 0 }), Type.Null()]),
    /** Further details of the event: params, digests, addresses. Never results. */
    detail: Type.Record(Type.String({ maxLength: 60 }), Type.Unknown(), { maxProperties: 30 }),
  },
  closed,
);
export type AuditRecord = Static<typeof AuditRecord>;

const BLANK = {
  callId: null,
  principal: null,
  agent: null,
  probe: null,
  packDigest: null,
  status: "info" as const,
  code: null,
  durationMs: null,
  detail: {},
};

/** Builds a record of `event` at `now`. Members that are not in `known` are null. */
export function buildAuditRecord(
  now: Date,
  event: AuditRecord["event"],
  known: Partial<Omit<AuditRecord, "at" | "event">>,
): AuditRecord {
  return { at: now.toISOString(), event, ...BLANK, ...known };
}

export const AuditEntry = Type.Object(
  {
    seq: Type.Integer({ minimum: 1 }),
    previous: Digest,
    record: AuditRecord,
    hash: Digest,
  },
  closed,
);
export type AuditEntry = Static<typeof AuditEntry>;

/**
 * An entry whose content a hub no longer keeps. Its hash stays, so that the chain and the tree are
 * verified as before.
 */
export const DroppedEntry = Type.Object(
  {
    seq: Type.Integer({ minimum: 1 }),
    previous: Digest,
    hash: Digest,
    dropped: Type.Literal(true),
  },
  closed,
);
export type DroppedEntry = Static<typeof DroppedEntry>;

/** One place of a hub's chain. */
export const ChainEntry = Type.Union([AuditEntry, DroppedEntry]);
export type ChainEntry = Static<typeof ChainEntry>;

export function isDropped(entry: ChainEntry): entry is DroppedEntry {
  return "dropped" in entry;
}

/**
 * The detail of a record `log.dropped`: the oldest entries of an agent's log, which it no longer
 * keeps. The record is durable before the first of them goes.
 */
export const DroppedEntries = Type.Object(
  {
    /** The last entry that is dropped. The log that stays begins after it. */
    head: LogHead,
    /** The time of the first entry that was there, and of the first one that stays. */
    from: Timestamp,
    until: Timestamp,
    /** Beyond which of the limits in the configuration the log was. */
    because: Type.Enum(["age", "size"]),
    bytes: Type.Integer({ minimum: 0 }),
  },
  closed,
);
export type DroppedEntries = Static<typeof DroppedEntries>;
export const parseDroppedEntries = buildParser(DroppedEntries, "log.dropped", "AUDIT_UNAVAILABLE");

/** The most ranges that a record `log.dropped` of a hub names. */
export const MAX_KEPT_RANGES = 200;
const Seq = Type.Integer({ minimum: 1 });

/**
 * The detail of a record `log.dropped` of a hub. It speaks for all content that the log lacks then and
 * that goes next, so the newest one is enough, and it may lose its own content later. It is durable
 * before the first content goes.
 */
export const DroppedSegments = Type.Object(
  {
    /** The last entry that is dropped. */
    head: LogHead,
    /** Entries before it that stay, by their numbers. All others up to `head` are dropped. */
    kept: Type.Array(Type.Object({ from: Seq, to: Seq }, closed), { maxItems: MAX_KEPT_RANGES }),
    /** The earliest and the latest time of those that are dropped. */
    from: Timestamp,
    until: Timestamp,
    /** Beyond which of the limits those were that go next, and how much content they have. */
    because: Type.Enum(["age", "size"]),
    bytes: Type.Integer({ minimum: 0 }),
    /** A signed head of the tree that has all of them. */
    checkpoint: Type.Object({ size: Seq, root: TreeHash }, closed),
  },
  closed,
);
export type DroppedSegments = Static<typeof DroppedSegments>;
export const parseDroppedSegments = buildParser(
  DroppedSegments,
  "log.dropped",
  "AUDIT_UNAVAILABLE",
);

/** What an answer lacks: content up to an entry and a time. Some of it may still be there, on hold. */
export const DroppedPart = Type.Object({ to: Seq, until: Timestamp }, closed);
export type DroppedPart = Static<typeof DroppedPart>;

export const parseAuditEntry = buildParser(AuditEntry, "audit entry", "AUDIT_UNAVAILABLE");

/** Some entries in their order, and the head of the whole log. */
export const AuditPage = Type.Object({ entries: Type.Array(AuditEntry), head: LogHead }, closed);
export type AuditPage = Static<typeof AuditPage>;

/** A page of a hub's chain. */
export const ChainPage = Type.Object({ entries: Type.Array(ChainEntry), head: LogHead }, closed);
export type ChainPage = Static<typeof ChainPage>;

/** The most entries of a page. */
export const MAX_AUDIT_PAGE = 1_000;

/** Query values are strings and the schema coerces nothing, so patterns check the digits. */
export const AuditQuery = Type.Object(
  {
    afterSeq: Type.Optional(Type.String({ pattern: "^[0-9]{1,15}$" })),
    limit: Type.Optional(Type.String({ pattern: "^[0-9]{1,4}$" })),
  },
  closed,
);

/** The page that a query asks for; by default the first 100 entries. */
export function readAuditQuery(query: Static<typeof AuditQuery>): {
  afterSeq: number;
  limit: number;
} {
  return {
    afterSeq: Number(query.afterSeq ?? 0),
    limit: Math.min(Number(query.limit ?? 100), MAX_AUDIT_PAGE),
  };
}

/** A signed head of the Merkle log over the audit log. */
export const AuditCheckpoint = Type.Object(
  {
    /** Entries in it, and the tree's root in base64. */
    size: Type.Integer({ minimum: 0 }),
    root: TreeHash,
    at: Timestamp,
    /** The signed note itself (C2SP tlog-checkpoint). */
    note: Type.String(),
  },
  closed,
);
export type AuditCheckpoint = Static<typeof AuditCheckpoint>;

/** What an agent says of the hub's log: the newest checkpoint that it keeps. */
export const AuditWitness = Type.Object(
  {
    agent: Type.String(),
    agentId: Uuid,
    size: Type.Integer({ minimum: 1 }),
    root: TreeHash,
    at: Timestamp,
    /** The agent's signed message and its body in base64. */
    message: Type.Object({ envelope: DsseEnvelope, body: Type.String() }, closed),
    /** SubjectPublicKeyInfo in PEM of the key that signed it. */
    publicKey: Type.String(),
  },
  closed,
);
export type AuditWitness = Static<typeof AuditWitness>;

/** Proves that an entry is in the log of a checkpoint (RFC 9162, 2.1.3.1). */
export const AuditProof = Type.Object(
  { entry: ChainEntry, checkpoint: AuditCheckpoint, path: Type.Array(TreeHash) },
  closed,
);
export type AuditProof = Static<typeof AuditProof>;

/** The newest checkpoint that a witness outside has cosigned (C2SP tlog-cosignature). */
export const CosignedCheckpoint = Type.Object(
  {
    /** As the hub's configuration names it. Whoever verifies goes by the witness's key. */
    witness: Type.String(),
    /** The signed note with the line of the witness. */
    note: Type.String(),
    size: Type.Integer({ minimum: 0 }),
    /** When the witness cosigned it, by its own clock. */
    at: Timestamp,
  },
  closed,
);
export type CosignedCheckpoint = Static<typeof CosignedCheckpoint>;

/** All that proves what the audit log was: by the hub's keys, its agents and witnesses outside. */
export const AuditAttestation = Type.Object(
  {
    hubId: Uuid,
    /** The CA's certificate in PEM, and the keys that it stated. */
    authority: Type.String(),
    keySet: DsseEnvelope,
    /** Null before the first one. */
    checkpoint: Type.Union([AuditCheckpoint, Type.Null()]),
    head: LogHead,
    /** Entries after the checkpoint: nothing but the hub's word is known of them. */
    unattested: Type.Integer({ minimum: 0 }),
    /** Why the log is not the one that was signed; null while it is. */
    problem: Type.Union([
      Type.Object({ code: CodeText, message: Type.String() }, closed),
      Type.Null(),
    ]),
    witnesses: Type.Array(AuditWitness),
    cosigned: Type.Array(CosignedCheckpoint),
  },
  closed,
);
export type AuditAttestation = Static<typeof AuditAttestation>;
export const parseAuditAttestation = buildParser(
  AuditAttestation,
  "attestation of the audit log",
  "INTERNAL",
);

export const parseAuditPage = buildParser(AuditPage, "audit page", "INTERNAL");
export const parseChainPage = buildParser(ChainPage, "audit page", "INTERNAL");
