import { SondeError } from "@sonde/schemas/errors";
import { type JobIdentity } from "@sonde/schemas/registry";
import { type JWTPayload, type JWTVerifyGetKey, decodeJwt, errors, jwtVerify } from "jose";
import type { RegistryConfig, TrustedIssuer } from "../../config.ts";
import { readIdentity } from "../../core/read-identity.ts";
import { createIssuerKeys } from "./issuer-keys.ts";

/** Public-key signatures alone: no `none`, nothing whose key a verifier could sign with. */
const ALGORITHMS = ["RS256", "ES256", "EdDSA"];
const SKEW_SECONDS = 30;
/** A job's token is made when the job begins; the publish may be its last step. */
const MAX_AGE_SECONDS = 60 * 60;

/** An identity token that verified. */
export type VerifiedIdentity = {
  issuer: string;
  identity: JobIdentity;
  /** The token's own id, to be spent once. */
  jti: string;
  /** After this moment it would be refused whether spent or not. */
  deadAt: Date;
};

export type IdentityVerifier = {
  /** Kind of an issuer, null unless it is configured. */
  kindOf(issuer: string): TrustedIssuer["kind"] | null;
  /** @throws SondeError IDENTITY_REFUSED or ISSUER_UNAVAILABLE */
  verify(token: string): Promise<VerifiedIdentity>;
};

/** Verifies identity tokens of the configured issuers for the configured audience. */
export function createIdentityVerifier(
  config: NonNullable<RegistryConfig["trustedPublishing"]>,
  now: () => Date,
): IdentityVerifier {
  const issuers = new Map(
    config.issuers.map((issuer) => [
      issuer.issuer,
      { kind: issuer.kind, keys: createIssuerKeys(issuer) },
    ]),
  );
  return {
    kindOf: (issuer) => issuers.get(issuer)?.kind ?? null,
    async verify(token) {
      // Says only whose keys to look at; the signature is checked with those and `iss` again.
      const claimed = decodeIssuer(token);
      const issuer = issuers.get(claimed);
      if (issuer === undefined) {
        throw refusal(`expected a configured issuer, got ${JSON.stringify(claimed)}`);
      }
      const payload = await verifyToken(token, issuer.keys, claimed, config.audience, now());
      const { jti, exp = 0, iat = 0, aud } = payload;
      // A token for several may be sent on by any of them.
      if (aud !== config.audience && !(Array.isArray(aud) && aud.length === 1)) {
        throw refusal(`expected the audience ${config.audience} alone, got several`);
      }
      if (typeof jti !== "string" || jti === "" || jti.length > 500) {
        throw refusal("expected a token with an id (jti), got none that fits");
      }
      const dead = Math.min(exp, iat + MAX_AGE_SECONDS) + SKEW_SECONDS;
      const identity = readIdentity(issuer.kind, new Map(Object.entries(payload)));
      return { issuer: claimed, identity, jti, deadAt: new Date(dead * 1000) };
    },
  };
}

function decodeIssuer(token: string): string {
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === "string" ? iss.slice(0, 300) : "";
  } catch (cause) {
    throw refusal("expected a JWT, got something else", cause);
  }
}

async function verifyToken(
  token: string,
  keys: JWTVerifyGetKey,
  issuer: string,
  audience: string,
  currentDate: Date,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ALGORITHMS,
      issuer,
      audience,
      currentDate,
      clockTolerance: SKEW_SECONDS,
      maxTokenAge: MAX_AGE_SECONDS,
      requiredClaims: ["exp", "iat", "jti"],
    });
    return payload;
  } catch (cause) {
    if (cause instanceof SondeError) throw cause;
    const what = cause instanceof errors.JOSEError ? cause.code : "a malformed one";
    const claim = cause instanceof errors.JWTClaimValidationFailed ? ` (${cause.claim})` : "";
    throw refusal(`expected a valid token for ${audience}, got ${what}${claim}`, cause);
  }
}

function refusal(sentence: string, cause?: unknown): SondeError {
  return new SondeError("IDENTITY_REFUSED", `identity token: ${sentence}`, { cause });
}
