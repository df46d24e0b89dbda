import { type Static, Type } from "typebox";
import { PublisherName } from "./names.ts";
import { buildParser } from "./validator.ts";

const closed = { additionalProperties: false } as const;

/** A managed key: its SubjectPublicKeyInfo as PEM. Only RSA of 2048 to 4096 bits is accepted. */
const TrustedKey = Type.Object(
  { algorithm: Type.Literal("rsa-sha256"), publicKey: Type.String({ maxLength: 2000 }) },
  closed,
);

/** An exact keyless identity; nothing here is a pattern. */
const JobIdentity = Type.Object(
  {
    issuer: Type.String({ minLength: 1, maxLength: 300 }),
    identity: Type.String({ minLength: 1, maxLength: 300 }),
    repositoryId: Type.Optional(Type.String({ pattern: "^[0-9]{1,20}$" })),
  },
  closed,
);

/**
 * `trust.json`: who may sign for which publisher. Owned by the host's
 * administrator; what a registry or hub says about publishers is display only.
 */
export const TrustPolicy = Type.Object(
  {
    registry: Type.String({ pattern: "^https?://", maxLength: 300 }),
    publishers: Type.Record(
      PublisherName,
      Type.Object(
        {
          keys: Type.Array(TrustedKey, { maxItems: 20 }),
          identities: Type.Array(JobIdentity, { maxItems: 20 }),
        },
        closed,
      ),
      { additionalProperties: false },
    ),
    allowUnsignedPacks: Type.Boolean(),
  },
  closed,
);
export type TrustPolicy = Static<typeof TrustPolicy>;

export const parseTrustPolicy = buildParser(TrustPolicy, "trust policy", "CONFIG_INVALID");
