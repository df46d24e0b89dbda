import { type Static, Type } from "typebox";
import type { Manifest } from "./manifest.ts";
import { Advisory, VersionState } from "./pack-life.ts";
import { Digest, PackName, PublisherName, Timestamp, Version } from "./names.ts";
import { Signer } from "./signer.ts";
import { TrustedIdentity } from "./trust-policy.ts";
import { buildParser } from "./validator.ts";

// REST bodies of the registry. Paths, all below /api/v1:
//   GET  /packs                                  -> PackList
//   GET  /packs/:publisher/:pack                 -> PackVersions
//   GET  /packs/:publisher/:pack/:version        -> PublishedVersion
//   GET  /packs/:publisher/:pack/:version/archive   the .tgz, with Sonde-Digest
//   GET  /packs/:publisher/:pack/:version/bundle    the Sigstore bundle (JSON)
//   PUT  /packs/:publisher/:pack/:version        multipart: files `bundle` then `archive`, bearer token
// The transparency log (C2SP tlog-tiles):
//   GET  /log/key                                the key that signs its heads (vkey)
//   GET  /log/checkpoint                         its signed head
//   GET  /log/tile/LEVEL/N[.p/W], /log/tile/entries/N[.p/W]
// And for the registry's operator, on the unix socket `<dataDir>/run/operator.sock`:
//   POST /publishers                                AddPublisher -> AddedPublisher
//   POST /identities                                AddIdentity -> AddedIdentity

const closed = { additionalProperties: false } as const;

/** The steps that every published version went through, in their order. */
export const PUBLISH_STEPS = [
  "size",
  "archive",
  "manifest",
  "rights",
  "signature",
  "code",
  "reads",
  "capability",
  "name",
] as const;

/** A refused version is never recorded: a step passed, or had nothing to look at. */
export const PublishCheck = Type.Object(
  {
    step: Type.Enum([...PUBLISH_STEPS]),
    outcome: Type.Enum(["passed", "not-applicable"]),
  },
  closed,
);
export type PublishCheck = Static<typeof PublishCheck>;

const Deprecated = Type.Union([Type.String(), Type.Null()]);

export const PublishedVersion = Type.Object(
  {
    name: PackName,
    version: Version,
    digest: Digest,
    contentDigest: Digest,
    sizeBytes: Type.Integer({ minimum: 1 }),
    publishedAt: Timestamp,
    signer: Signer,
    /** Of its entry in the transparency log. */
    logIndex: Type.Integer({ minimum: 0 }),
    checks: Type.Array(PublishCheck),
    /** What its publisher was told when it was published, such as a name near to a known one. */
    warnings: Type.Array(Type.String({ maxLength: 300 })),
    state: VersionState,
    /** Why its publisher advises against the whole pack. */
    deprecated: Deprecated,
    /** Those whose range has this version. */
    advisories: Type.Array(Advisory),
    /** Checked by `parseManifestShape` where it is used; verifiers read the archive's own. */
    manifest: Type.Unsafe<Manifest>({ type: "object" }),
  },
  closed,
);
export type PublishedVersion = Static<typeof PublishedVersion>;

export const PackSummary = Type.Object(
  {
    name: PackName,
    latest: Version,
    description: Type.String(),
    publishedAt: Timestamp,
  },
  closed,
);

export const PackList = Type.Object({ packs: Type.Array(PackSummary) }, closed);
export type PackList = Static<typeof PackList>;

export const PackVersions = Type.Object(
  {
    name: PackName,
    deprecated: Deprecated,
    advisories: Type.Array(Advisory),
    versions: Type.Array(
      Type.Object(
        {
          version: Version,
          digest: Digest,
          publishedAt: Timestamp,
          signer: Signer,
          state: VersionState,
        },
        closed,
      ),
    ),
  },
  closed,
);
export type PackVersions = Static<typeof PackVersions>;

/** Adds a key and a new token to a publisher, who is created when new. */
export const AddPublisher = Type.Object(
  {
    name: PublisherName,
    /** SubjectPublicKeyInfo in PEM, RSA of 2048 to 4096 bits. */
    publicKey: Type.String({ maxLength: 2000 }),
    /** A reserved name is meant, and not somebody's try. */
    takesReserved: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type AddPublisher = Static<typeof AddPublisher>;

export const AddedPublisher = Type.Object(
  {
    name: PublisherName,
    keyId: Digest,
    /** `sonde_pt_...`, of role owner; shown once, stored as a hash. */
    token: Type.String({ maxLength: 100 }),
    expiresAt: Timestamp,
  },
  closed,
);
export type AddedPublisher = Static<typeof AddedPublisher>;

/** Adds an exact keyless identity and a new token to a publisher, who is created when new. */
export const AddIdentity = Type.Object(
  {
    publisher: PublisherName,
    ...TrustedIdentity.properties,
    /** A name that is kept for Sonde or the system is meant. */
    takesReserved: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type AddIdentity = Static<typeof AddIdentity>;

export const AddedIdentity = Type.Object(
  {
    publisher: PublisherName,
    ...TrustedIdentity.properties,
    /** `sonde_pt_...`; shown once, stored as a hash. */
    token: Type.String({ maxLength: 100 }),
    expiresAt: Timestamp,
  },
  closed,
);
export type AddedIdentity = Static<typeof AddedIdentity>;

export const parseAddedIdentity = buildParser(
  AddedIdentity,
  "registry answer",
  "REGISTRY_UNAVAILABLE",
);
export const parseAddedPublisher = buildParser(
  AddedPublisher,
  "registry answer",
  "REGISTRY_UNAVAILABLE",
);
export const parsePublishedVersion = buildParser(
  PublishedVersion,
  "registry answer",
  "REGISTRY_UNAVAILABLE",
);
export const parsePackList = buildParser(PackList, "registry answer", "REGISTRY_UNAVAILABLE");
export const parsePackVersions = buildParser(
  PackVersions,
  "registry answer",
  "REGISTRY_UNAVAILABLE",
);
