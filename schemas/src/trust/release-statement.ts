import { type Static, Type } from "typebox";
import { Version } from "../names.ts";
import { buildParser } from "../parse/validator.ts";

const closed = { additionalProperties: false } as const;

/** States what a signature on a release means. A signature on a pack never counts as one. */
export const RELEASE_PREDICATE_TYPE = "urn:sonde:predicate:release:v1";

/** A release has a few packages for each architecture. */
const MAX_ARTEFACTS = 100;

/** A name without a folder, which cannot be an option or a hidden file. */
const FileName = Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._~-]{0,150}$" });

/** One file of a release. Its digest is that of the subject with the same name. */
export const ReleaseArtefact = Type.Object(
  {
    file: FileName,
    /** Of the package, such as `sonde-agent`. */
    name: Type.String({ pattern: "^[a-z][a-z0-9-]{0,60}$" }),
    version: Version,
    /** As Debian names it. */
    architecture: Type.Enum(["amd64", "arm64"]),
    /** Bytes. */
    size: Type.Integer({ minimum: 1 }),
  },
  closed,
);
export type ReleaseArtefact = Static<typeof ReleaseArtefact>;

/**
 * What is signed for a release (in-toto Statement v1): the digest of every file, and what each is.
 * Subjects and artefacts have the same order.
 */
export const ReleaseStatement = Type.Object(
  {
    _type: Type.Literal("https://in-toto.io/Statement/v1"),
    subject: Type.Array(
      Type.Object(
        {
          name: FileName,
          digest: Type.Object({ sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }) }, closed),
        },
        closed,
      ),
      { minItems: 1, maxItems: MAX_ARTEFACTS },
    ),
    predicateType: Type.Literal(RELEASE_PREDICATE_TYPE),
    predicate: Type.Object(
      {
        version: Version,
        artefacts: Type.Array(ReleaseArtefact, { minItems: 1, maxItems: MAX_ARTEFACTS }),
      },
      closed,
    ),
  },
  closed,
);
export type ReleaseStatement = Static<typeof ReleaseStatement>;

export const parseReleaseStatement = buildParser(
  ReleaseStatement,
  "release statement",
  "SIGNATURE_INVALID",
);
