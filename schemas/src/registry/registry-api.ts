import { type Static, Type } from "typebox";
import { type Manifest, ReadWindow, Requires } from "../manifest/manifest.ts";
import { Advisory, VersionState } from "./pack-life.ts";
import {
  Capability,
  Digest,
  PackName,
  ProbeId,
  PublisherName,
  Timestamp,
  Version,
} from "../names.ts";
import { LogHead } from "../wire/envelope.ts";
import { Signer } from "../trust/signer.ts";
import { TrustedIdentity } from "../trust/trust-policy.ts";
import { buildParser } from "../parse/validator.ts";

// REST bodies of the registry. Paths, all below /api/v1:
//   GET  /search?q=&limit=&cursor=               -> PackList, the best match first
//   GET  /packs?limit=&cursor=                   -> PackList, by name
//   GET  /packs/:publisher/:pack                 -> PackVersions
//   GET  /packs/:publisher/:pack/resolve?range=&agent=   -> ResolvedVersion
//   GET  /packs/:publisher/:pack/:version        -> PublishedVersion
//   GET  /packs/:publisher/:pack/:version/archive   the .tgz, with Sonde-Digest
//   GET  /packs/:publisher/:pack/:version/bundle    the Sigstore bundle (JSON)
//   GET  /packs/:publisher/:pack/:version/details   -> VersionDetails
//   GET  /openapi.json                              all of this as OpenAPI
//   PUT  /packs/:publisher/:pack/:version        multipart: files `bundle` then `archive`, bearer token
// For resolvers, one JSON line (IndexLine) for each version, in the order of the log:
//   GET  /index/PUBLISHER/PACK
// The transparency log (C2SP tlog-tiles):
//   GET  /log/key                                the key that signs its heads (vkey)
//   GET  /log/checkpoint                         its signed head
//   GET  /log/tile/LEVEL/N[.p/W], /log/tile/entries/N[.p/W]
// For the registry's operator, on the unix socket `<dataDir>/run/operator.sock`:
//   POST /publishers                                AddPublisher -> AddedPublisher
//   POST /identities                                AddIdentity -> AddedIdentity
//   POST /import                                    an export (tar) -> ImportReport, on a mirror

const closed = { additionalProperties: false } as const;

/** The steps that every published version passed, in order. */
export const PUBLISH_STEPS = [
  "size",
  "archive",
  "signature",
  "manifest",
  "reads",
  "code",
  "rights",
  "capability",
  "name",
] as const;

/** Only published versions are recorded, so a step has either passed or did not apply. */
export const PublishCheck = Type.Object(
  {
    step: Type.Enum([...PUBLISH_STEPS]),
    outcome: Type.Enum(["passed", "not-applicable"]),
  },
  closed,
);
export type PublishCheck = Static<typeof PublishCheck>;

const Deprecated = Type.Union([Type.String(), Type.Null()]);

/**
 * The highest release that is neither yanked nor quarantined, else such a pre-release; null when
 * every version is withdrawn.
 */
const Latest = Type.Union([Version, Type.Null()]);

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
    /** Warnings that the publisher got at publishing, such as a name similar to a known one. */
    warnings: Type.Array(Type.String({ maxLength: 300 })),
    state: VersionState,
    /** Why the publisher advises against the whole pack. */
    deprecated: Deprecated,
    /** Advisories whose range contains this version. */
    advisories: Type.Array(Advisory),
    /**
     * `parseManifestShape` checks it where it is used; verifiers read the manifest in the archive.
     */
    manifest: Type.Unsafe<Manifest>({ type: "object" }),
  },
  closed,
);
export type PublishedVersion = Static<typeof PublishedVersion>;

export const PackSummary = Type.Object(
  {
    name: PackName,
    latest: Latest,
    description: Type.String(),
    /** When the latest version was published; without a latest version, when the newest was. */
    publishedAt: Timestamp,
    /** Of all versions together. The count lags a few seconds. */
    downloads: Type.Integer({ minimum: 0 }),
  },
  closed,
);
export type PackSummary = Static<typeof PackSummary>;

/** One page. `cursor` requests the next page; null means the last page. */
export const PackList = Type.Object(
  {
    packs: Type.Array(PackSummary),
    cursor: Type.Union([Type.String({ maxLength: 300 }), Type.Null()]),
  },
  closed,
);
export type PackList = Static<typeof PackList>;

export const PackVersions = Type.Object(
  {
    name: PackName,
    latest: Latest,
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

/** What a person wants to know about a version before choosing it. */
export const VersionDetails = Type.Object(
  {
    name: PackName,
    version: Version,
    /** Of the pack. */
    latest: Latest,
    digest: Digest,
    sizeBytes: Type.Integer({ minimum: 1 }),
    publishedAt: Timestamp,
    logIndex: Type.Integer({ minimum: 0 }),
    state: VersionState,
    deprecated: Type.Union([Type.String(), Type.Null()]),
    advisories: Type.Array(Advisory),
    description: Type.String(),
    license: Type.String(),
    repository: Type.String(),
    /** The range of agent versions that the pack runs on. */
    agents: Type.String(),
    signer: Signer,
    /** Who signed the version and with what, in a sentence. */
    signedBy: Type.String(),
    /** What the signature says about the build, in a sentence. */
    provenance: Type.String(),
    /** Everything that the version could do on a host, in words. */
    permissions: Type.Object(
      {
        /** The highest level that any probe or source needs. */
        capability: Capability,
        groups: Type.Array(Type.String()),
        /** Each declared read, in words and exactly as `sonde agent explain` shows it. */
        reads: Type.Array(
          Type.Object(
            { words: Type.String(), exact: Type.String(), capability: Capability },
            closed,
          ),
        ),
      },
      closed,
    ),
    /** What it asks for beside the version before it; null for the first version. */
    changes: Type.Union([
      Type.Object(
        {
          from: Version,
          added: Requires,
          removed: Requires,
          /** What was read before, and is read in another or a larger part now. */
          wider: Type.Array(ReadWindow),
          /** Probes that need a higher level than before. */
          raised: Type.Array(
            Type.Object({ probe: Type.String(), from: Capability, to: Capability }, closed),
          ),
        },
        closed,
      ),
      Type.Null(),
    ]),
    probes: Type.Array(
      Type.Object(
        {
          id: ProbeId,
          description: Type.String(),
          capability: Capability,
          reads: Type.Array(Type.String()),
        },
        closed,
      ),
    ),
    /** The README as HTML with a few harmless elements, without images, styles or scripts. */
    readmeHtml: Type.String(),
    downloads: Type.Object(
      { version: Type.Integer({ minimum: 0 }), pack: Type.Integer({ minimum: 0 }) },
      closed,
    ),
  },
  closed,
);
export type VersionDetails = Static<typeof VersionDetails>;

/** One line of `/index/PUBLISHER/PACK`. */
export const IndexLine = Type.Object(
  {
    name: PackName,
    version: Version,
    digest: Digest,
    engines: Type.Object({ agent: Type.String() }, closed),
    logIndex: Type.Integer({ minimum: 0 }),
    state: VersionState,
  },
  closed,
);
export type IndexLine = Static<typeof IndexLine>;

/** The version that a range resolves to. */
export const ResolvedVersion = Type.Object(
  {
    name: PackName,
    version: Version,
    digest: Digest,
    engines: IndexLine.properties.engines,
  },
  closed,
);
export type ResolvedVersion = Static<typeof ResolvedVersion>;

/** Adds a key and a new token to a publisher. Creates the publisher if it does not exist. */
export const AddPublisher = Type.Object(
  {
    name: PublisherName,
    /** SubjectPublicKeyInfo in PEM, RSA of 2048 to 4096 bits. */
    publicKey: Type.String({ maxLength: 2000 }),
    /** Confirms that a reserved name is intended. */
    takesReserved: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type AddPublisher = Static<typeof AddPublisher>;

export const AddedPublisher = Type.Object(
  {
    name: PublisherName,
    keyId: Digest,
    /** `sonde_pt_...`, of role owner; shown only once, stored as a hash. */
    token: Type.String({ maxLength: 100 }),
    expiresAt: Timestamp,
  },
  closed,
);
export type AddedPublisher = Static<typeof AddedPublisher>;

/**
 * Adds an exact keyless identity and a new token to a publisher. Creates the publisher if it does
 * not exist.
 */
export const AddIdentity = Type.Object(
  {
    publisher: PublisherName,
    ...TrustedIdentity.properties,
    /** Confirms that a reserved name is intended. */
    takesReserved: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type AddIdentity = Static<typeof AddIdentity>;

export const AddedIdentity = Type.Object(
  {
    publisher: PublisherName,
    ...TrustedIdentity.properties,
    /** `sonde_pt_...`; shown only once, stored as a hash. */
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
export const parseVersionDetails = buildParser(
  VersionDetails,
  "registry answer",
  "REGISTRY_UNAVAILABLE",
);
export const parseResolvedVersion = buildParser(
  ResolvedVersion,
  "registry answer",
  "REGISTRY_UNAVAILABLE",
);
export const parseIndexLine = buildParser(IndexLine, "registry answer", "REGISTRY_UNAVAILABLE");

/** What a mirror imported. */
export const ImportReport = Type.Object(
  {
    /** Of the log that the mirror serves now. */
    head: LogHead,
    /** When the log's key signed that head. */
    at: Timestamp,
    /** Versions that are new on this mirror, that it had before, and that nobody gets. */
    imported: Type.Integer({ minimum: 0 }),
    present: Type.Integer({ minimum: 0 }),
    quarantined: Type.Integer({ minimum: 0 }),
    /** Sigstore's trusted root from the export. Nothing trusts it yet. */
    trustedRoot: Type.Union([Type.String(), Type.Null()]),
  },
  closed,
);
export type ImportReport = Static<typeof ImportReport>;
export const parseImportReport = buildParser(
  ImportReport,
  "registry answer",
  "REGISTRY_UNAVAILABLE",
);
