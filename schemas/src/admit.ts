import { type Static, Type } from "typebox";
import type { Manifest } from "./manifest.ts";
import { Digest, PackName, Version } from "./names.ts";
import { Failure } from "./reads.ts";
import { Signer } from "./signer.ts";
import { TrustPolicy } from "./trust-policy.ts";
import { buildParser } from "./validator.ts";

// The protocol of the admit program: one JSON request on stdin, one JSON line
// on stdout, then it ends.

const closed = { additionalProperties: false } as const;

/** Fetch, verify and store one archive. */
export const AdmitRequest = Type.Object(
  {
    /** Where to fetch from; may be a mirror, since only `policy` is trusted. */
    registry: Type.String({ pattern: "^https?://", maxLength: 300 }),
    name: PackName,
    version: Version,
    /** Null only with `localFolder`: a developer's own build has no agreed digest. */
    digest: Type.Union([Digest, Type.Null()]),
    policy: TrustPolicy,
    agentVersion: Version,
    /** Absolute path; what was verified goes to `<storeDir>/<hex of digest>/`. */
    storeDir: Type.String({ pattern: "^/", maxLength: 1000 }),
    /** Absolute path of a folder with `PACK-VERSION.tgz` and, if signed, `PACK-VERSION.tgz.sigstore.json`. */
    localFolder: Type.Optional(Type.String({ pattern: "^/", maxLength: 1000 })),
  },
  closed,
);
export type AdmitRequest = Static<typeof AdmitRequest>;

/** Kept beside the stored files; only the admit program writes it. */
export const VerifiedRecord = Type.Object(
  { name: PackName, version: Version, digest: Digest, contentDigest: Digest, signer: Signer },
  closed,
);
export type VerifiedRecord = Static<typeof VerifiedRecord>;

/** A pack that was verified and stored. */
export const AdmittedPack = Type.Object(
  {
    ...VerifiedRecord.properties,
    codeSha256: Digest,
    /** Checked by `parseManifest` before it was stored. */
    manifest: Type.Unsafe<Manifest>({ type: "object" }),
  },
  closed,
);
export type AdmittedPack = Static<typeof AdmittedPack>;

export const AdmitReply = Type.Union([
  Type.Object({ ok: Type.Literal(true), pack: AdmittedPack }, closed),
  Type.Object({ ok: Type.Literal(false), error: Failure }, closed),
]);
export type AdmitReply = { ok: true; pack: AdmittedPack } | { ok: false; error: Failure };

export const parseAdmitRequest = buildParser(AdmitRequest, "admit request", "BAD_REQUEST");
export const parseVerifiedRecord = buildParser(VerifiedRecord, "verified.json", "DIGEST_MISMATCH");
export const parseAdmitReply = buildParser(AdmitReply, "admit reply", "INTERNAL");
