import { type Static, Type } from "typebox";
import type { Manifest } from "../manifest/manifest.ts";
import { LogHead } from "../wire/envelope.ts";
import { PackProof } from "./pack-proof.ts";
import { Signer } from "./signer.ts";
import { Digest, PackName, Timestamp, Version } from "../names.ts";
import { Failure } from "../reads.ts";
import { RegistryEntry } from "../registry/registry-log.ts";
import {
  LogHeadMaxAgeHours,
  LogKeyText,
  RegistryCa,
  SignerPolicy,
  TrustPolicy,
} from "./trust-policy.ts";
import { buildParser } from "../parse/validator.ts";

// The protocol of the admit program: JSON lines. Each line on stdin is a request. Its answer on
// stdout is one or more lines, of which the last is the reply. The program ends when its input
// ends.

const closed = { additionalProperties: false } as const;

const RegistryUrl = Type.String({ pattern: "^https?://", maxLength: 300 });

/** A reader's position in a registry's log: the frontier's hashes, in base64. */
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
    registryCa: Type.Optional(RegistryCa),
    logKey: LogKeyText,
    logHeadMaxAgeHours: Type.Optional(LogHeadMaxAgeHours),
    from: LogPlace,
    /** Heads that others saw, which this log must contain; none below `from`. */
    seen: Type.Array(LogHead, { maxItems: 20 }),
  },
  closed,
);
export type FollowRequest = Static<typeof FollowRequest>;

/** A line before the reply: one entry. It is provisional until the reply says ok. */
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

/** The reader's new position, and when the log's key last signed that head. */
export const FollowedLog = Type.Object({ place: LogPlace, head: LogHead, at: Timestamp }, closed);
export type FollowedLog = Static<typeof FollowedLog>;

/**
 * Fetch, verify and store one archive: from the folder that `policy` allows, else from the
 * registry.
 */
export const AdmitRequest = Type.Object(
  {
    op: Type.Literal("admit"),
    /** Address to fetch from. It may be a mirror, since only `policy` is trusted. */
    registry: RegistryUrl,
    registryCa: Type.Optional(RegistryCa),
    name: PackName,
    version: Version,
    /**
     * null asks for the archive in the host's own folder: a developer's build has no agreed digest.
     */
    digest: Type.Union([Digest, Type.Null()]),
    policy: TrustPolicy,
    /**
     * Log position up to which an archive from the registry must have been published. null only
     * without a digest.
     */
    log: Type.Union([LogPlace, Type.Null()]),
    agentVersion: Version,
    /** Absolute path. A verified archive is stored in `<storeDir>/<hex of digest>/`. */
    storeDir: Type.String({ pattern: "^/", maxLength: 1000 }),
    /** True to get the proof too. The archive is then fetched and verified also when it is stored. */
    proves: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type AdmitRequest = Static<typeof AdmitRequest>;

const FilePath = Type.String({ pattern: "^/", maxLength: 1000 });

/** Verify an upload that lies on disk. Nothing is fetched or stored. */
export const CheckRequest = Type.Object(
  {
    op: Type.Literal("check"),
    /** Absolute paths of the two files, which belong to the requester. */
    archive: FilePath,
    bundle: FilePath,
    policy: SignerPolicy,
  },
  closed,
);
export type CheckRequest = Static<typeof CheckRequest>;

/** Kept beside the stored files. Only the admit program writes it. */
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
    /** `parseManifest` checked it before it was stored. */
    manifest: Type.Unsafe<Manifest>({ type: "object" }),
    /** Only where it was asked for; null of an archive that nobody signed. */
    proof: Type.Optional(Type.Union([PackProof, Type.Null()])),
  },
  closed,
);
export type AdmittedPack = Static<typeof AdmittedPack>;

/** Describes an upload that passed every check. */
export const CheckedPack = Type.Object(
  {
    digest: Digest,
    contentDigest: Digest,
    signer: Signer,
    /** The reader must check its shape. */
    manifest: Type.Unsafe<Manifest>({ type: "object" }),
    /** Markdown. Bytes that are not UTF-8 are replaced. */
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
