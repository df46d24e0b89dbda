import { type Static, Type } from "typebox";
import type { Manifest } from "./manifest.ts";
import { Signer } from "./messages.ts";
import {
  Capability,
  Digest,
  PackName,
  ProbeId,
  PublisherName,
  Timestamp,
  Version,
} from "./names.ts";
import { buildParser } from "./validator.ts";

// REST bodies of the registry. Paths, all below /api/v1:
//   GET  /search?q=&limit=&cursor=               -> PackList, the best match first
//   GET  /packs?limit=&cursor=                   -> PackList, by name
//   GET  /packs/:publisher/:pack                 -> PackVersions
//   GET  /packs/:publisher/:pack/:version        -> PublishedVersion
//   GET  /packs/:publisher/:pack/:version/archive   the .tgz, with Sonde-Digest
//   GET  /packs/:publisher/:pack/:version/bundle    the Sigstore bundle (JSON)
//   GET  /packs/:publisher/:pack/:version/details   -> VersionDetails
//   GET  /openapi.json                              all of this as OpenAPI
//   PUT  /packs/:publisher/:pack/:version        multipart: files `bundle` then `archive`, bearer token
// What resolvers read, one JSON line (IndexLine) for each version, in the order of the log:
//   GET  /index/PUBLISHER/PACK
// The transparency log (C2SP tlog-tiles):
//   GET  /log/key                                the key that signs its heads (vkey)
//   GET  /log/checkpoint                         its signed head
//   GET  /log/tile/LEVEL/N[.p/W], /log/tile/entries/N[.p/W]
// And for the registry's operator, on the unix socket `<dataDir>/run/operator.sock`:
//   POST /publishers                                AddPublisher -> AddedPublisher

const closed = { additionalProperties: false } as const;

/** Publishers' tokens start so, to be found by secret scanners. */
export const PUBLISH_TOKEN_PREFIX = "sonde_pt_";

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
    /** When the latest version was published. */
    publishedAt: Timestamp,
    /** Of all versions together; counted a few seconds late. */
    downloads: Type.Integer({ minimum: 0 }),
  },
  closed,
);
export type PackSummary = Static<typeof PackSummary>;

/** One page; `cursor` asks for the next one, null says that there is none. */
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
    versions: Type.Array(
      Type.Object(
        { version: Version, digest: Digest, publishedAt: Timestamp, signer: Signer },
        closed,
      ),
    ),
  },
  closed,
);
export type PackVersions = Static<typeof PackVersions>;

/** What a person wants to know of a version before they choose it. */
export const VersionDetails = Type.Object(
  {
    name: PackName,
    version: Version,
    digest: Digest,
    sizeBytes: Type.Integer({ minimum: 1 }),
    publishedAt: Timestamp,
    logIndex: Type.Integer({ minimum: 0 }),
    description: Type.String(),
    license: Type.String(),
    repository: Type.String(),
    /** The agents it runs on, a range of semantic versions. */
    agents: Type.String(),
    signer: Signer,
    /** Who signed it and with what, in a sentence. */
    signedBy: Type.String(),
    /** What the signature tells of how the archive was built, in a sentence. */
    provenance: Type.String(),
    /** All it could ever do on a host, in words. */
    permissions: Type.Object(
      {
        /** The highest level that any probe or source needs. */
        capability: Capability,
        groups: Type.Array(Type.String()),
        /** Each declared read: in words, and exactly as `sonde agent explain` shows it. */
        reads: Type.Array(
          Type.Object(
            { words: Type.String(), exact: Type.String(), capability: Capability },
            closed,
          ),
        ),
      },
      closed,
    ),
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
    /** The README as HTML of a few harmless elements, without images, styles or scripts. */
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
  },
  closed,
);
export type IndexLine = Static<typeof IndexLine>;

/** Adds a key and a new token to a publisher, who is created when new. */
export const AddPublisher = Type.Object(
  {
    name: PublisherName,
    /** SubjectPublicKeyInfo in PEM, RSA of 2048 to 4096 bits. */
    publicKey: Type.String({ maxLength: 2000 }),
  },
  closed,
);
export type AddPublisher = Static<typeof AddPublisher>;

export const AddedPublisher = Type.Object(
  {
    name: PublisherName,
    keyId: Digest,
    /** `sonde_pt_...`; shown once, stored as a hash. */
    token: Type.String({ maxLength: 100 }),
  },
  closed,
);
export type AddedPublisher = Static<typeof AddedPublisher>;

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
export const parseIndexLine = buildParser(IndexLine, "registry answer", "REGISTRY_UNAVAILABLE");
