import { type Static, type TSchema, Type } from "typebox";
import { CheckpointBody } from "./checkpoint.ts";
import { DsseEnvelope, LogHead } from "./envelope.ts";
import { MAX_EACH, MAX_READS } from "../manifest/manifest.ts";
import { LogKeyText } from "../trust/trust-policy.ts";
import {
  AgentName,
  Capability,
  Digest,
  PackName,
  ProbeId,
  Timestamp,
  Uuid,
  Version,
} from "../names.ts";
import { ReadTrace, StatedFailure } from "../reads.ts";
import { StatedSigner } from "../trust/signer.ts";
import { ProtocolOffer } from "./protocol.ts";
import { buildOpenParser, buildParser } from "../parse/validator.ts";

// Bodies of the envelopes, by header.type. There are two kinds:
//
// - A statement (welcome, hello, pack report, result, refused) is open. Names (such as a code or a
//   state) that this release does not know are kept unchanged. Members that it does not know are
//   dropped, so all that goes on from here is of a known shape and bounded length.
// - An order of the hub (desired state, call, certificate, key set) is closed. An order with an unknown
//   member is refused alone, as PROTOCOL_UNSUPPORTED.

const closed = { additionalProperties: false } as const;
/** A name from a list that later releases may extend. */
const Name = Type.String({ pattern: "^[a-z][a-z0-9-]{0,39}$" });

/**
 * How many packs one agent may have. Each may report two versions: the active one and its
 * candidate.
 */
export const MAX_PACKS = 100;
const MAX_REPORTS = 2 * MAX_PACKS;

/** States of a (pack, version) on an agent. */
export const PackState = Type.Enum([
  "fetched",
  "verified",
  "pending",
  "active",
  "held",
  "quarantined",
  "revoked",
  "failed",
]);
export type PackState = Static<typeof PackState>;

/** One pack as the agent reports it. `state` is a PackState of the agent's release. */
export const PackReport = Type.Object({
  name: PackName,
  version: Version,
  digest: Type.Union([Digest, Type.Null()]),
  state: Name,
  signer: Type.Union([StatedSigner, Type.Null()]),
  /** Names of the probes that exist on this host: every source is granted and below the ceiling. */
  probes: Type.Array(Type.String({ maxLength: 160 }), { maxItems: 60 }),
  /** Who gave the grant and when; null until then. */
  approved: Type.Union([
    Type.Object({ by: Type.String({ maxLength: 200 }), at: Timestamp }),
    Type.Null(),
  ]),
  /** Why the pack is not active, or what of it was not granted, and the next step. */
  reason: Type.Union([StatedFailure, Type.Null()]),
});
export type PackReport = Static<typeof PackReport>;

/**
 * The agent's position in its registry's log, so that the hub can compare what all agents were
 * shown. null before the log was read for the first time.
 */
export const RegistryHeadReport = Type.Union([
  Type.Object({ logKey: LogKeyText, head: LogHead }),
  Type.Null(),
]);
export type RegistryHeadReport = Static<typeof RegistryHeadReport>;

/** First message of an agent on a connection: its statement about itself. */
export const HelloBody = Type.Object({
  /** Absent in release 0.1.0, and in messages to it. */
  protocol: Type.Optional(ProtocolOffer),
  name: AgentName,
  agentVersion: Version,
  bootId: Type.String({ maxLength: 64 }),
  os: Type.String({ maxLength: 200 }),
  kernel: Type.String({ maxLength: 200 }),
  arch: Type.String({ maxLength: 40 }),
  /** SHA-256 of the running agent bundle. */
  binarySha256: Digest,
  configSha256: Digest,
  maxCapability: Capability,
  /** `separate-user` when runners have their own uid, `same-uid` when they share the agent's. */
  wall: Name,
  packs: Type.Array(PackReport, { maxItems: MAX_REPORTS }),
  auditHead: LogHead,
  /**
   * The agent's own entry at the size of the welcome's `agentHead`; null when its log is shorter.
   * Absent when it no longer has that entry, and when the hub named none.
   */
  seenHead: Type.Optional(Type.Union([LogHead, Type.Null()])),
  registryHead: RegistryHeadReport,
});
export type HelloBody = Static<typeof HelloBody>;

/** First message of the hub on a connection. */
export const WelcomeBody = Type.Object({
  /** Absent in release 0.1.0, and in messages to it. */
  protocol: Type.Optional(ProtocolOffer),
  hubTime: Type.Integer(),
  hubVersion: Version,
  auditHead: LogHead,
  /**
   * Of the enrol listener, where an agent comes back whose certificate opens nothing any more. Absent
   * in release 0.1.0, and in messages to it.
   */
  enrolPort: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535 })),
  /**
   * The hub's own entry at the size that the agent named in the upgrade; null when its log is
   * shorter. Only for an agent that named one.
   */
  seenHead: Type.Optional(Type.Union([LogHead, Type.Null()])),
  /** Both of these heads, signed by the hub's audit key. Only for an agent that follows key sets. */
  signedHead: Type.Optional(DsseEnvelope),
  /** Only for an agent that named the one that it saw; absent before the hub's first one. */
  checkpoint: Type.Optional(CheckpointBody),
  /**
   * The newest head of the agent's own log that it stated to this hub; null before the first. Only for
   * an agent that names a checkpoint.
   */
  agentHead: Type.Optional(Type.Union([LogHead, Type.Null()])),
});
export type WelcomeBody = Static<typeof WelcomeBody>;

/** The packs that an agent should have. The agent removes packs that are not listed. */
export const DesiredStateBody = Type.Object(
  {
    /** Grows with every change. An agent ignores a lower revision than its own. */
    revision: Type.Integer({ minimum: 0 }),
    packs: Type.Array(Type.Object({ name: PackName, version: Version, digest: Digest }, closed), {
      maxItems: MAX_PACKS,
    }),
  },
  closed,
);
export type DesiredStateBody = Static<typeof DesiredStateBody>;

/**
 * The agent's next certificate for its present key. The hub sends it before the present one
 * expires.
 */
export const CertificateBody = Type.Object(
  { certificate: Type.String({ maxLength: 8000 }) },
  closed,
);
export type CertificateBody = Static<typeof CertificateBody>;

/**
 * The hub's new key set. The hub's next message is signed with the first command key in it. The hub
 * sends it only to an agent that announced that it follows key sets.
 */
export const KeySetBody = Type.Object({ keySet: DsseEnvelope }, closed);
export type KeySetBody = Static<typeof KeySetBody>;

export const PackReportBody = Type.Object({
  packs: Type.Array(PackReport, { maxItems: MAX_REPORTS }),
  auditHead: LogHead,
  registryHead: RegistryHeadReport,
  /**
   * Of the certificate that the agent keeps durably, in lower-case hex. Absent in release 0.1.0, and in
   * messages to it.
   */
  certificateSerial: Type.Optional(Type.String({ pattern: "^[0-9a-f]{1,40}$" })),
});
export type PackReportBody = Static<typeof PackReportBody>;

/** The structured descriptor, and how long the hub waits. */
export const CallBody = Type.Object(
  {
    probe: ProbeId,
    params: Type.Record(Type.String({ maxLength: 40 }), Type.Unknown(), { maxProperties: 100 }),
    timeoutMs: Type.Integer({ minimum: 1, maximum: 60000 }),
    /**
     * The name that the hub has for the header's principal. The hub's word, for people: nothing is
     * decided by it. Only with the feature `asked-by`.
     */
    askedBy: Type.Optional(Type.String({ maxLength: 200 })),
    /**
     * The hub keeps what the pack gets of the reads, as evidence. The agent sends it where the host's
     * own configuration allows that. Only with the feature `reads`.
     */
    sendReads: Type.Optional(Type.Literal(true)),
  },
  closed,
);
export type CallBody = Static<typeof CallBody>;

/** Ends the call that the header names. Its answer then has the code CALL_CANCELLED. */
export const CancelBody = Type.Object({}, closed);
export type CancelBody = Static<typeof CancelBody>;

/** How many values the scrubber replaced, by rule. */
export const Redactions = Type.Object({
  count: Type.Integer({ minimum: 0 }),
  rules: Type.Record(Type.String({ maxLength: 60 }), Type.Integer({ minimum: 1 }), {
    maxProperties: 1000,
  }),
});
export type Redactions = Static<typeof Redactions>;

export const ResultBody = Type.Object({
  callId: Uuid,
  status: Type.Union([Type.Literal("ok"), Type.Literal("failure")]),
  data: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  failure: Type.Optional(StatedFailure),
  /** True when a read was cut at its cap. */
  truncated: Type.Boolean(),
  redactions: Redactions,
  collectedAt: Timestamp,
  reads: Type.Array(Type.Object(ReadTrace.properties), { maxItems: MAX_READS + MAX_EACH }),
  /** Milliseconds spent on the agent, by hop. */
  timings: Type.Object(
    {
      checks: Type.Number(),
      reads: Type.Number(),
      scrub: Type.Number(),
      guest: Type.Number(),
      audit: Type.Number(),
      total: Type.Number(),
    },
    { additionalProperties: Type.Number(), maxProperties: 100 },
  ),
  /** The agent's audit entry of this response, durable before the message was sent. */
  auditHead: LogHead,
});
export type ResultBody = Static<typeof ResultBody>;

/** Bytes of a reads message's body. An agent sends none that is larger. */
export const MAX_READS_BYTES = 2 * 1024 * 1024;

/**
 * What the pack gets of each read of the call that the header names, scrubbed, by the name of the
 * read. The agent sends it before the answer. Each ends up in the answer's `reads` as the SHA-256 of
 * its JSON as it stands in this body.
 */
export const ReadsBody = Type.Object({
  reads: Type.Record(Type.String({ maxLength: 160 }), Type.Unknown(), { maxProperties: MAX_READS }),
});
export type ReadsBody = Static<typeof ReadsBody>;

/** Refuses one message that this release does not understand. Exists since protocol 2. */
export const RefusedBody = Type.Object({
  /** The sequence number of the refused message. A call's id is in the header. */
  seq: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  failure: StatedFailure,
});
export type RefusedBody = Static<typeof RefusedBody>;

function buildOrderParser<S extends TSchema>(schema: S, what: string) {
  return buildParser(schema, what, "ENVELOPE_INVALID", "PROTOCOL_UNSUPPORTED");
}

export const parseHelloBody = buildOpenParser(HelloBody, "hello", "ENVELOPE_INVALID");
export const parseWelcomeBody = buildOpenParser(WelcomeBody, "welcome", "ENVELOPE_INVALID");
export const parseDesiredStateBody = buildOrderParser(DesiredStateBody, "desired state");
export const parsePackReportBody = buildOpenParser(
  PackReportBody,
  "pack report",
  "ENVELOPE_INVALID",
);
export const parseCertificateBody = buildOrderParser(CertificateBody, "certificate");
export const parseCancelBody = buildOrderParser(CancelBody, "cancel");
export const parseKeySetBody = buildOrderParser(KeySetBody, "key set");
export const parseCallBody = buildOrderParser(CallBody, "call");
export const parseResultBody = buildOpenParser(ResultBody, "result", "ENVELOPE_INVALID");
export const parseReadsBody = buildOpenParser(ReadsBody, "reads", "ENVELOPE_INVALID");
export const parseRefusedBody = buildOpenParser(RefusedBody, "refusal", "ENVELOPE_INVALID");
