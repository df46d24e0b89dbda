import { type Static, Type } from "typebox";
import { buildParser } from "../parse/validator.ts";

const closed = { additionalProperties: false } as const;

/** Says what a signature on a pack means; a new meaning gets a new type. */
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
 * What a publisher signs (in-toto Statement v1): the archive as it is
 * downloaded, and its content as it is loaded. Name and version are inside the
 * content, in the manifest.
 */
export const PackStatement = Type.Object(
  {
    _type: Type.Literal("https://in-toto.io/Statement/v1"),
    // TypeBox's Tuple speaks an older dialect than our validator.
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
