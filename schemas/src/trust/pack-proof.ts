import { type Static, Type } from "typebox";
import { PackName, Version } from "../names.ts";
import { buildOpenParser } from "../parse/validator.ts";
import { TreeHash } from "../wire/checkpoint.ts";
import { Signer } from "./signer.ts";
import { LogKeyText } from "./trust-policy.ts";

const closed = { additionalProperties: false } as const;

/** That a version is in a registry's log: the entry, and the path to the root of a signed head. */
export const PackLogProof = Type.Object(
  {
    /** The log's key, by the policy of whoever admitted the pack. */
    key: LogKeyText,
    /** The signed head (C2SP tlog-checkpoint). */
    note: Type.String({ maxLength: 16_384 }),
    index: Type.Integer({ minimum: 0 }),
    /** The entry's bytes in base64: 65,535 at most. */
    entry: Type.String({ maxLength: 87_380 }),
    path: Type.Array(TreeHash, { maxItems: 64 }),
  },
  closed,
);
export type PackLogProof = Static<typeof PackLogProof>;

/** What shows later that a pack was signed, and published. */
export const PackProof = Type.Object(
  {
    /** The Sigstore bundle's JSON text. */
    bundle: Type.String({ maxLength: 65_536 }),
    /** PEM of the key that signed; null where the bundle has a certificate. */
    publicKey: Type.Union([Type.String({ maxLength: 2000 }), Type.Null()]),
    /** Null of an archive in a folder of the host. */
    log: Type.Union([PackLogProof, Type.Null()]),
  },
  closed,
);
export type PackProof = Static<typeof PackProof>;

/** What of a Sigstore bundle v0.3 says who signed what. Further members are for Sigstore's logs. */
const SignedBundle = Type.Object({
  verificationMaterial: Type.Object({
    certificate: Type.Optional(Type.Object({ rawBytes: Type.String() })),
  }),
  dsseEnvelope: Type.Object({
    payload: Type.String(),
    payloadType: Type.String(),
    signatures: Type.Array(Type.Object({ sig: Type.String() }), { minItems: 1, maxItems: 1 }),
  }),
});
export const parseSignedBundle = buildOpenParser(SignedBundle, "bundle", "EVIDENCE_INVALID");

/** What the record of a request has of the pack. A hub of release 0.1.0 recorded none of it. */
const RecordedPack = Type.Object({
  pack: Type.Optional(Type.Object({ name: PackName, version: Version })),
  signer: Type.Optional(Signer),
});
export type RecordedPack = Static<typeof RecordedPack>;
export const parseRecordedPack = buildOpenParser(
  RecordedPack,
  "record of the request",
  "EVIDENCE_INVALID",
);
