import { type Static, Type } from "typebox";
import { AuditCheckpoint, AuditEntry, AuditWitness } from "./audit.ts";
import { AgentName, Timestamp, Uuid } from "./names.ts";
import { buildParser } from "./parse/validator.ts";
import { PackProof } from "./trust/pack-proof.ts";
import { TreeHash } from "./wire/checkpoint.ts";
import { DsseEnvelope } from "./wire/envelope.ts";

const closed = { additionalProperties: false } as const;

export const EVIDENCE_FORMAT = "sonde-evidence/1";
/** Entries of one call: its request and its answer, or what came in their place. */
const MAX_ENTRIES = 10;
export const MAX_EVIDENCE_WITNESSES = 5;
/** Bytes of a file. A result has at most 1 MiB, its reads have 2, and a third more in base64. */
export const MAX_EVIDENCE_BYTES = 8 * 1024 * 1024;

const Path = Type.Array(TreeHash, { maxItems: 64 });
/** A signed message and its body in base64. */
const SignedMessage = { envelope: DsseEnvelope, body: Type.String() };

/** An entry of the hub's audit log, and the proof that it is in the checkpoint's tree. */
export const EvidenceEntry = Type.Object({ entry: AuditEntry, path: Path }, closed);

/** An agent that keeps a checkpoint with these entries, and the proof that the file's begins with it. */
export const EvidenceWitness = Type.Object({ ...AuditWitness.properties, path: Path }, closed);

/** What of the evidence a hub did not have. */
export const EvidenceGap = Type.Enum([
  "agent",
  "attestation",
  "order",
  "pack",
  "policy",
  "reads",
  "result",
  "witness",
]);
export type EvidenceGap = Static<typeof EvidenceGap>;

/**
 * All that shows what one call was. It proves nothing to whoever does not know the hub's CA from
 * elsewhere. The format is described in docs/evidence.md.
 */
export const Evidence = Type.Object(
  {
    format: Type.Literal(EVIDENCE_FORMAT),
    callId: Uuid,
    hub: Type.Object(
      {
        hubId: Uuid,
        /** The CA's certificate in PEM, and the keys that it stated. */
        authority: Type.String(),
        keySet: DsseEnvelope,
      },
      closed,
    ),
    checkpoint: AuditCheckpoint,
    /** In the order of the log. */
    entries: Type.Array(EvidenceEntry, { minItems: 1, maxItems: MAX_ENTRIES }),
    /** The text whose SHA-256 is the request's `policyHash`. */
    policy: Type.Union([Type.String(), Type.Null()]),
    /**
     * The signature on the pack, and its proof in the registry's log. A file of an earlier release has
     * none.
     */
    pack: Type.Optional(Type.Union([PackProof, Type.Null()])),
    /** Whose key signed the answer, as the hub knows it. */
    agent: Type.Union([
      Type.Object(
        {
          name: AgentName,
          agentId: Uuid,
          /** SubjectPublicKeyInfo in PEM, and since when the hub has it. */
          publicKey: Type.String(),
          since: Timestamp,
        },
        closed,
      ),
      Type.Null(),
    ]),
    /**
     * The hub's order to the agent, and a key set of its CA that states the key which signed it. A
     * file of an earlier release has none.
     */
    order: Type.Optional(
      Type.Union([Type.Object({ ...SignedMessage, keySet: DsseEnvelope }, closed), Type.Null()]),
    ),
    /** The body of the agent's answer in base64. Its signed envelope is in the entry. */
    result: Type.Union([Type.String(), Type.Null()]),
    /**
     * What the pack got of its reads, as the agent sent it. A file of an earlier release has none, nor
     * one of a hub that keeps none.
     */
    reads: Type.Optional(Type.Union([Type.Object(SignedMessage, closed), Type.Null()])),
    /** The agent's last statement about itself before the call. */
    attestation: Type.Union([Type.Object(SignedMessage, closed), Type.Null()]),
    witnesses: Type.Array(EvidenceWitness, { maxItems: MAX_EVIDENCE_WITNESSES }),
    /** Of each part that is null or empty: why. */
    gaps: Type.Array(
      Type.Object({ part: EvidenceGap, why: Type.String({ maxLength: 300 }) }, closed),
      { maxItems: 10 },
    ),
  },
  closed,
);
export type Evidence = Static<typeof Evidence>;
export const parseEvidence = buildParser(Evidence, "evidence", "EVIDENCE_INVALID");

/** One thing that the evidence says, and what that is worth. */
export const EvidenceFinding = Type.Object(
  {
    about: Type.Enum([
      "hub",
      "log",
      "witness",
      "request",
      "policy",
      "pack",
      "registry",
      "order",
      "answer",
      "result",
      "reads",
      "recomputed",
      "attestation",
    ]),
    /**
     * `proven`: a signature or a hash shows it. `stated`: only the hub says it. `missing`: it is not in
     * the file. `broken`: the file contradicts itself.
     */
    state: Type.Enum(["proven", "stated", "missing", "broken"]),
    /** Whose word it is: `the hub`, or whom, with the name. */
    by: Type.String(),
    says: Type.String(),
  },
  closed,
);
export type EvidenceFinding = Static<typeof EvidenceFinding>;

/** A file of evidence, and what the verifier says of it. */
export const JudgedEvidence = Type.Object(
  {
    evidence: Evidence,
    /** False when anything in the file contradicts another part of it. */
    sound: Type.Boolean(),
    findings: Type.Array(EvidenceFinding),
    /** SHA-256 of the certificate of the hub's CA, 64 hex digits. */
    fingerprint: Type.String(),
  },
  closed,
);
export type JudgedEvidence = Static<typeof JudgedEvidence>;
