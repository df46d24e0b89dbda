import { type Static, Type } from "typebox";
import { PublisherName } from "../names.ts";
import { TrustedRoot } from "./trusted-root.ts";
import { buildParser } from "../parse/validator.ts";

const closed = { additionalProperties: false } as const;

/** A verifier key of a signed note (C2SP signed-note). */
export const LogKeyText = Type.String({
  pattern: "^[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{44}$",
});

/**
 * The highest accepted age of the log's signed head, in hours; by default 24. A higher value is for
 * hosts that get the log by hand. A frozen log is noticed only after this time.
 */
export const LogHeadMaxAgeHours = Type.Integer({ minimum: 24, maximum: 2160 });

/** Certificates in PEM: the only ones that a registry's own may descend from. */
export const RegistryCa = Type.String({
  pattern: "^-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\n-]*-----END CERTIFICATE-----\\n?$",
  maxLength: 20_000,
});

/** A managed key: its SubjectPublicKeyInfo as PEM. Only RSA of 2048 to 4096 bits is accepted. */
const TrustedKey = Type.Object(
  { algorithm: Type.Literal("rsa-sha256"), publicKey: Type.String({ maxLength: 2000 }) },
  closed,
);

/**
 * An exact keyless identity, without patterns: the issuer and the subject alternative name of the
 * signing certificate. `repositoryId` is the source repository's number. Policy and certificate
 * must both have it or both lack it: a name can pass to another repository, a number cannot.
 */
export const TrustedIdentity = Type.Object(
  {
    issuer: Type.String({ pattern: "^[!-~]{1,300}$" }),
    identity: Type.String({ pattern: "^[!-~]{1,300}$" }),
    repositoryId: Type.Optional(Type.String({ pattern: "^[0-9]{1,20}$" })),
  },
  closed,
);
export type TrustedIdentity = Static<typeof TrustedIdentity>;

/** Who may sign for one publisher. */
export const TrustedSigners = Type.Object(
  {
    keys: Type.Array(TrustedKey, { maxItems: 20 }),
    identities: Type.Array(TrustedIdentity, { maxItems: 20 }),
  },
  closed,
);
export type TrustedSigners = Static<typeof TrustedSigners>;

const signers = {
  publishers: Type.Record(PublisherName, TrustedSigners, { additionalProperties: false }),
  /**
   * Pinned root against which keyless signatures are verified. Without it, no keyless signature is
   * accepted.
   */
  trustedRoot: Type.Optional(TrustedRoot),
  /**
   * Allows unsigned packs in the host's own folder. A pack from a registry must always be signed.
   */
  allowUnsignedPacks: Type.Boolean(),
};

/** Who may sign for which publisher: the part of a policy that a verifier needs. */
export const SignerPolicy = Type.Object(signers);
export type SignerPolicy = Static<typeof SignerPolicy>;

/**
 * `trust.json`: where packs come from and who may sign for which publisher. The host's
 * administrator owns it. What a registry or hub says about publishers is for display only.
 */
export const TrustPolicy = Type.Object(
  {
    registry: Type.String({ pattern: "^https?://", maxLength: 300 }),
    /** By default the authorities that this machine's Node knows. */
    registryCa: Type.Optional(RegistryCa),
    /** The Ed25519 key of the registry's transparency log, as `NAME+KEYID+BASE64`. */
    logKey: LogKeyText,
    logHeadMaxAgeHours: Type.Optional(LogHeadMaxAgeHours),
    ...signers,
    /**
     * Absolute path of a folder for packs that their author built on this host: `PACK-VERSION.tgz`
     * and, if signed, `PACK-VERSION.tgz.sigstore.json`. Used only with `allowUnsignedPacks`.
     */
    localPacks: Type.Optional(Type.String({ pattern: "^/", maxLength: 1000 })),
  },
  closed,
);
export type TrustPolicy = Static<typeof TrustPolicy>;

/** Where a registry is, and whose certificate it must show. */
export type RegistryPlace = Pick<TrustPolicy, "registry" | "registryCa">;

export function pickPlace({ registry, registryCa }: RegistryPlace): RegistryPlace {
  return { registry, ...(registryCa !== undefined && { registryCa }) };
}

/** The part of a policy that says which log is followed, and where. */
export type FollowedRegistry = RegistryPlace & Pick<TrustPolicy, "logKey" | "logHeadMaxAgeHours">;

export function pickRegistry(policy: FollowedRegistry): FollowedRegistry {
  const { logKey, logHeadMaxAgeHours } = policy;
  return {
    ...pickPlace(policy),
    logKey,
    ...(logHeadMaxAgeHours !== undefined && { logHeadMaxAgeHours }),
  };
}

export const parseSignerPolicy = buildParser(SignerPolicy, "trust policy", "CONFIG_INVALID");
export const parseTrustedIdentity = buildParser(TrustedIdentity, "identity", "BAD_REQUEST");
export const parseTrustedRoot = buildParser(TrustedRoot, "trusted root", "CONFIG_INVALID");
export const parseTrustPolicy = buildParser(TrustPolicy, "trust policy", "CONFIG_INVALID");
