import { type Static, Type } from "typebox";
import type { Manifest } from "../manifest/manifest.ts";
import { LogHead } from "../wire/envelope.ts";
import { Signer } from "./signer.ts";
import { Digest, PackName, Timestamp, Version } from "../names.ts";
import { Failure } from "../reads.ts";
import { RegistryEntry } from "../registry/registry-log.ts";
import { LogHeadMaxAgeHours, LogKeyText, SignerPolicy, TrustPolicy } from "./trust-policy.ts";
import { buildParser } from "../parse/validator.ts";

// The protocol of the admit program: JSON requests on stdin, each a line; for each, JSON lines on
// stdout of which the last is the reply. It ends when its input does.

const closed = { additionalProperties: false } as const;

const RegistryUrl = Type.String({ pattern: "^https?://", maxLength: 300 });

/** How far a reader has followed a registry's log: the frontier's hashes, in base64. */
export const LogPlace = Type.Object(
  {
    size: Type.Integer({ minimum: 0 }),
    frontier: Type.String({ pattern: "^[A-Za-z0-9+/=]*$", maxLength: 3000 }),
  },
  closed,
);
export type LogPlace = Static<typeof LogPlace>;

/** Follow a registry's log to its present head. */
export const FollowRequest = Type.Object(
  {
    op: Type.Literal("follow"),
    registry: RegistryUrl,
    logKey: LogKeyText,
    logHeadMaxAgeHours: Type.Optional(LogHeadMaxAgeHours),
    from: LogPlace,
    /** Heads that others saw, and that must be on the way; none below `from`. */
    seen: Type.Array(LogHead, { maxItems: 20 }),
  },
  closed,
);
export type FollowRequest = Static<typeof FollowRequest>;

/** A line before the reply: one entry, provisional until the reply says ok. */
export const FollowedEntry = Type.Object(
  {
    index: Type.Integer({ minimum: 0 }),
    entry: RegistryEntry,
    /** Of the tree that ends with this entry. */
    head: LogHead,
  },
  closed,
);
export type FollowedEntry = Static<typeof FollowedEntry>;

/** Where the reader stands now, and when the log's key last vouched for that head. */
export const FollowedLog = Type.Object({ place: LogPlace, head: LogHead, at: Timestamp }, closed);
export type FollowedLog = Static<typeof FollowedLog>;

/** Fetch, verify and store one archive: from the folder that `policy` allows, or else the registry. */
export const AdmitRequest = Type.Object(
  {
    op: Type.Literal("admit"),
    /** Where to fetch from; may be a mirror, since only `policy` is trusted. */
    registry: RegistryUrl,
    name: PackName,
    version: Version,
    /** Null asks for what lies in the host's own folder: a developer's build has no agreed digest. */
    digest: Type.Union([Digest, Type.Null()]),
    policy: TrustPolicy,
    /** What comes from the registry must be published in its log up to here. Null only without a digest. */
    log: Type.Union([LogPlace, Type.Null()]),
    agentVersion: Version,
    /** Absolute path; what was verified goes to `<storeDir>/<hex of digest>/`. */
    storeDir: Type.String({ pattern: "^/", maxLength: 1000 }),
  },
  closed,
);
export type AdmitRequest = Static<typeof AdmitRequest>;

const FilePath = Type.String({ pattern: "^/", maxLength: 1000 });

/** Verify an upload that lies on disk. Nothing is fetched or stored. */
export const CheckRequest = Type.Object(
  {
    op: Type.Literal("check"),
    /** Absolute paths of the two files, which belong to whoever asks. */
    archive: FilePath,
    bundle: FilePath,
    policy: SignerPolicy,
  },
  closed,
);
export type CheckRequest = Static<typeof CheckRequest>;

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

/** What an upload is that passed every check. */
export const CheckedPack = Type.Object(
  {
    digest: Digest,
    contentDigest: Digest,
    signer: Signer,
    /** Its shape is for the reader to check. */
    manifest: Type.Unsafe<Manifest>({ type: "object" }),
    /** Markdown; what is no UTF-8 in it is replaced. */
    readme: Type.String(),
  },
  closed,
);
export type CheckedPack = Static<typeof CheckedPack>;

const Refusal = Type.Object({ ok: Type.Literal(false), error: Failure }, closed);

export const AdmitReply = Type.Union([
  Type.Object({ ok: Type.Literal(true), pack: AdmittedPack }, closed),
  Refusal,
]);
export type AdmitReply = { ok: true; pack: AdmittedPack } | { ok: false; error: Failure };

export const CheckReply = Type.Union([
  Type.Object({ ok: Type.Literal(true), checked: CheckedPack }, closed),
  Refusal,
]);
export type CheckReply = { ok: true; checked: CheckedPack } | { ok: false; error: Failure };

export const FollowReply = Type.Union([
  Type.Object({ ok: Type.Literal(true), log: FollowedLog }, closed),
  Refusal,
]);
export type FollowReply = { ok: true; log: FollowedLog } | { ok: false; error: Failure };

const AdmitProgramRequest = Type.Union([AdmitRequest, FollowRequest, CheckRequest]);
export type AdmitProgramRequest = Static<typeof AdmitProgramRequest>;

export const parseAdmitProgramRequest = buildParser(
  AdmitProgramRequest,
  "admit request",
  "BAD_REQUEST",
);
export const parseVerifiedRecord = buildParser(VerifiedRecord, "verified.json", "DIGEST_MISMATCH");
export const parseAdmitReply = buildParser(AdmitReply, "admit reply", "INTERNAL");
export const parseCheckReply = buildParser(CheckReply, "check reply", "CHECK_FAILED");
export const parseFollowReply = buildParser(FollowReply, "follow reply", "INTERNAL");
export const parseFollowedEntry = buildParser(FollowedEntry, "followed entry", "INTERNAL");
