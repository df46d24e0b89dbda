import { type Static, Type } from "typebox";
import { buildParser } from "../parse/validator.ts";

const closed = { additionalProperties: false } as const;

/** States what a signature on a pack means. A new meaning gets a new type. */
export const PACK_PREDICATE_TYPE = "urn:sonde:predicate:pack:v1";

const buildSubject = (name: string) =>
  Type.Object(
    {
      name: Type.Literal(name),
      digest: Type.Object({ sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }) }, closed),
    },
    closed,
  );

type Subject = Static<ReturnType<typeof buildSubject>>;

/**
 * What a publisher signs (in-toto Statement v1): the digest of the archive as downloaded, and the
 * digest of its content as loaded. Name and version are in the manifest, which is part of the
 * content.
 */
export const PackStatement = Type.Object(
  {
    _type: Type.Literal("https://in-toto.io/Statement/v1"),
    // TypeBox's Tuple emits an older JSON Schema dialect than our validator reads.
    subject: Type.Unsafe<[Subject, Subject]>({
      type: "array",
      prefixItems: [buildSubject("archive"), buildSubject("content")],
      items: false,
      minItems: 2,
      maxItems: 2,
    }),
    predicateType: Type.Literal(PACK_PREDICATE_TYPE),
    predicate: Type.Object({}, closed),
  },
  closed,
);
export type PackStatement = Static<typeof PackStatement>;

export const parsePackStatement = buildParser(
  PackStatement,
  "signed statement",
  "SIGNATURE_INVALID",
);
