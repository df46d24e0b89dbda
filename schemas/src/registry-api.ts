import { type Static, Type } from "typebox";
import type { Manifest } from "./manifest.ts";
import { Signer } from "./messages.ts";
import { Digest, PackName, Timestamp, Version } from "./names.ts";
import { buildParser } from "./validator.ts";

// REST bodies of the registry. Paths, all below /api/v1:
//   GET  /packs                                  -> PackList
//   GET  /packs/:publisher/:pack                 -> PackVersions
//   GET  /packs/:publisher/:pack/:version        -> PublishedVersion
//   GET  /packs/:publisher/:pack/:version/archive   the .tgz, with Sonde-Digest
//   GET  /packs/:publisher/:pack/:version/bundle    the Sigstore bundle (JSON)
//   PUT  /packs/:publisher/:pack/:version        multipart: `bundle` then `archive`, bearer token

const closed = { additionalProperties: false } as const;

export const PublishedVersion = Type.Object(
  {
    name: PackName,
    version: Version,
    digest: Digest,
    contentDigest: Digest,
    sizeBytes: Type.Integer({ minimum: 1 }),
    publishedAt: Timestamp,
    signer: Signer,
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
