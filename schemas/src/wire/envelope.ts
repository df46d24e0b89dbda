import { type Static, Type } from "typebox";
import { Digest, ProbeId, Uuid } from "../names.ts";
import { buildParser } from "../parse/validator.ts";

const closed = { additionalProperties: false } as const;

/**
 * DSSE payload types, one per direction. A message of one side can then never pass as a message of
 * the other, even under the same key (DSSE v1.0.2, PAE).
 */
export const PAYLOAD_TYPES = {
  "hub-to-agent": "application/vnd.sonde.hub-to-agent.v1+json",
  "agent-to-hub": "application/vnd.sonde.agent-to-hub.v1+json",
} as const;

/** Tolerated difference between the clocks of hub and agent, in both directions. */
export const MAX_SKEW_MS = 30_000;

export type Direction = keyof typeof PAYLOAD_TYPES;

/** HKDF over a TLS session's exporter and both nonces, base64url. */
export const SessionId = Type.String({ pattern: "^[A-Za-z0-9_-]{43}$" });

/** Head of a hash chain: number of entries and the hash of the last one. */
export const LogHead = Type.Object({ size: Type.Integer({ minimum: 0 }), hash: Digest }, closed);
export type LogHead = Static<typeof LogHead>;

/**
 * The signed header. The body follows the envelope and is bound by `bodySha256`, so header and
 * signature can be kept for good after the body is deleted.
 */
export const EnvelopeHeader = Type.Object(
  {
    /** Type of a message, which this release may not know; see read-message. */
    type: Type.String({ pattern: "^[a-z][a-z0-9-]{0,39}$" }),
    hubId: Uuid,
    agentId: Uuid,
    sessionId: SessionId,
    dir: Type.Union([Type.Literal("hub-to-agent"), Type.Literal("agent-to-hub")]),
    /** Starts at 1 and grows by exactly one per message, direction and session. */
    seq: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    /** Unix time in ms. */
    iat: Type.Integer({ minimum: 0 }),
    exp: Type.Integer({ minimum: 0 }),
    callId: Type.Union([Uuid, Type.Null()]),
    /** The principal as the hub authenticated it: `key:<id>`. */
    principal: Type.Union([Type.String({ maxLength: 200 }), Type.Null()]),
    probe: Type.Union([ProbeId, Type.Null()]),
    packDigest: Type.Union([Digest, Type.Null()]),
    /** Hash of the policy under which the hub allowed the call. */
    policyHash: Type.Union([Digest, Type.Null()]),
    bodySha256: Digest,
    /** The head of the receiver's audit log as the sender last saw it. */
    peerHead: Type.Union([LogHead, Type.Null()]),
  },
  closed,
);
export type EnvelopeHeader = Static<typeof EnvelopeHeader>;

/** DSSE JSON envelope with exactly one signature. */
export const DsseEnvelope = Type.Object(
  {
    payloadType: Type.String({ maxLength: 100 }),
    /** base64 of the header's JSON. */
    payload: Type.String({ maxLength: 8192 }),
    signatures: Type.Array(
      Type.Object({ keyid: Digest, sig: Type.String({ maxLength: 1400 }) }, closed),
      { minItems: 1, maxItems: 1 },
    ),
  },
  closed,
);
export type DsseEnvelope = Static<typeof DsseEnvelope>;

export const parseDsseEnvelope = buildParser(DsseEnvelope, "envelope", "ENVELOPE_INVALID");
export const parseEnvelopeHeader = buildParser(
  EnvelopeHeader,
  "envelope header",
  "ENVELOPE_INVALID",
);
