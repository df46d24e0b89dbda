import { type Static, Type } from "typebox";
import { type Manifest, ReadWindow, Requires } from "../manifest/manifest.ts";
import { Category, Engine, PackReach } from "../manifest/pack-reach.ts";
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
import { TrustedIdentity, TrustedSigners } from "../trust/trust-policy.ts";
import { buildParser } from "../parse/validator.ts";

// REST bodies of the registry. Paths, all below /api/v1:
//   GET  /search?q=&category=&engine=&publisher=&sort=&limit=&cursor=   -> PackList
//   GET  /search/counts?q=&category=&engine=&publisher=   -> PackCounts
//   GET  /packs?limit=&cursor=                   -> PackList, by name
//   GET  /packs/:publisher/:pack                 -> PackVersions
//   GET  /packs/:publisher/:pack/resolve?range=&agent=   -> ResolvedVersion
//   GET  /packs/:publisher/:pack/:version        -> PublishedVersion
//   GET  /packs/:publisher/:pack/:version/archive   the .tgz, with Sonde-Digest
//   GET  /packs/:publisher/:pack/:version/bundle    the Sigstore bundle (JSON)
//   GET  /packs/:publisher/:pack/:version/details   -> VersionDetails
//   GET  /packs/:publisher/:pack/difference?from=&to=   -> VersionDifference
//   GET  /publishers/:publisher                     -> PublisherDetails
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
    /** When its first version was published. */
    firstPublishedAt: Timestamp,
    /** Of all versions together. The count lags a few seconds. */
    downloads: Type.Integer({ minimum: 0 }),
    /** Of the version that is shown: the latest one, or the newest without a latest one. */
    reach: PackReach,
    deprecated: Deprecated,
    /** Of that version. */
    advisories: Type.Array(Type.Pick(Advisory, ["id", "severity"])),
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

/** How many packs a search finds, and how many of them there would be with another filter. */
export const PackCounts = Type.Object(
  {
    packs: Type.Integer({ minimum: 0 }),
    /** With the same words and engine. Only what has packs, the most first. */
    categories: Type.Array(
      Type.Object({ category: Category, packs: Type.Integer({ minimum: 1 }) }, closed),
    ),
    /** With the same words and category. Only what has packs, the most first. */
    engines: Type.Array(
      Type.Object({ engine: Engine, packs: Type.Integer({ minimum: 1 }) }, closed),
    ),
  },
  closed,
);
export type PackCounts = Static<typeof PackCounts>;

/** The orders of a list of packs. */
export const PACK_ORDERS = ["match", "downloads", "name", "newest", "published"] as const;
/**
 * `match`: the best first, then by downloads. `newest`: by the first version's date, `published`: by
 * that of the version that is shown.
 */
export const PackOrder = Type.Enum([...PACK_ORDERS]);
export type PackOrder = Static<typeof PackOrder>;

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
    /**
     * What lets a host trust this version's signer: the publisher's member of `publishers` in its
     * trust.json. Null when the registry has not got the signer's key. A host's administrator compares
     * it with what the publisher says elsewhere.
     */
    trust: Type.Union([TrustedSigners, Type.Null()]),
    /** What the pack's publisher was told when the name was new, such as a known name that is near. */
    warnings: Type.Array(Type.String({ maxLength: 300 })),
    /** In short what it could reach. */
    reach: PackReach,
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
          /** Probes that take other reads than before, or repeat one for other values. */
          changed: Type.Array(Type.String()),
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

const Names = Type.Array(Type.String());

/** What a model reads of a probe, and what it may fill in. Schemas are JSON. */
const ToolWords = Type.Object(
  {
    description: Type.String(),
    capability: Capability,
    params: Type.Array(
      Type.Object({ name: Type.String(), required: Type.Boolean(), schema: Type.String() }, closed),
    ),
    result: Type.String(),
  },
  closed,
);
export type ToolWords = Static<typeof ToolWords>;

/** What differs between two versions of a pack. Either may be the newer one. */
export const VersionDifference = Type.Object(
  {
    name: PackName,
    from: Version,
    to: Version,
    description: Type.Object({ before: Type.String(), after: Type.String() }, closed),
    permissions: Type.Object(
      {
        added: Requires,
        removed: Requires,
        /** What both read, and `to` in another or a larger part. */
        wider: Type.Array(ReadWindow),
        probes: Type.Object(
          {
            added: Names,
            removed: Names,
            /** Probes that take other reads, or repeat one for other values. */
            changed: Names,
            raised: Type.Array(
              Type.Object({ probe: Type.String(), from: Capability, to: Capability }, closed),
            ),
          },
          closed,
        ),
        sources: Type.Object({ added: Names, removed: Names, changed: Names }, closed),
        /** True when a grant for `from` does not cover `to`. */
        asksMore: Type.Boolean(),
      },
      closed,
    ),
    /** Only probes that differ in this. Null where a version has no such probe. */
    tools: Type.Array(
      Type.Object(
        {
          id: ProbeId,
          before: Type.Union([ToolWords, Type.Null()]),
          after: Type.Union([ToolWords, Type.Null()]),
        },
        closed,
      ),
    ),
    /** Lines of the README that differ, with some around them; null when there are too many. */
    readme: Type.Union([
      Type.Array(
        Type.Object(
          { line: Type.String(), is: Type.Enum(["added", "removed", "same", "left-out"]) },
          closed,
        ),
      ),
      Type.Null(),
    ]),
  },
  closed,
);
export type VersionDifference = Static<typeof VersionDifference>;

/** What the registry knows of a publisher, and how it was verified. */
export const PublisherDetails = Type.Object(
  {
    name: PublisherName,
    /**
     * When the operator registered the name. Null on a mirror, which knows publishers by their
     * signatures only; the lists of keys and identities are then empty.
     */
    since: Type.Union([Timestamp, Type.Null()]),
    /** What may sign for the publisher now. */
    keys: Type.Array(
      Type.Object({ keyId: Digest, publicKey: Type.String(), since: Timestamp }, closed),
    ),
    identities: Type.Array(
      Type.Object({ ...TrustedIdentity.properties, since: Timestamp }, closed),
    ),
    /** What signed the published versions, the most recent first. */
    signed: Type.Array(
      Type.Object(
        {
          /** The newest version's. */
          signer: Signer,
          versions: Type.Integer({ minimum: 1 }),
          lastAt: Timestamp,
          /** Whether it may sign now. */
          isListed: Type.Boolean(),
        },
        closed,
      ),
    ),
    packs: Type.Integer({ minimum: 0 }),
    downloads: Type.Integer({ minimum: 0 }),
    /** Warnings of near names, each with its pack. */
    warnings: Type.Array(Type.Object({ name: PackName, text: Type.String() }, closed)),
    deprecated: Type.Array(Type.Object({ name: PackName, message: Type.String() }, closed)),
    advisories: Type.Array(Type.Object({ name: PackName, advisory: Advisory }, closed)),
    /** Versions that were yanked or quarantined. */
    withdrawn: Type.Array(
      Type.Object({ name: PackName, version: Version, state: VersionState }, closed),
    ),
  },
  closed,
);
export type PublisherDetails = Static<typeof PublisherDetails>;

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
export const parsePackCounts = buildParser(PackCounts, "registry answer", "REGISTRY_UNAVAILABLE");
export const parseVersionDifference = buildParser(
  VersionDifference,
  "registry answer",
  "REGISTRY_UNAVAILABLE",
);
export const parsePublisherDetails = buildParser(
  PublisherDetails,
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
