import { type Static, Type } from "typebox";
import { Digest, ProbeId, Timestamp, Uuid } from "./names.ts";
import { CodeText } from "./reads.ts";
import { buildParser } from "./parse/validator.ts";

const closed = { additionalProperties: false } as const;

export const AuditEvent = Type.Enum([
  "call.request",
  "call.response",
  "call.denied",
  "request.denied",
  "call.unknown",
  "agent.enrolled",
  "agent.connected",
  "agent.disconnected",
  "agent.refused",
  "token.created",
  "token.refused",
  "key.created",
  "key.revoked",
  "key.refused",
  "desired-state.changed",
  "tools.approved",
  "pack.state",
  "pack.refused",
  "registry.inconsistent",
  "registry.consistent",
  "envelope.refused",
  "log.read",
  "log.opened",
]);
export type AuditEvent = Static<typeof AuditEvent>;

/**
 * The content of an audit entry, the same on hub and agent. The chain's fields (seq, previous hash,
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

export const parseAuditEntry = buildParser(AuditEntry, "audit entry", "AUDIT_UNAVAILABLE");
