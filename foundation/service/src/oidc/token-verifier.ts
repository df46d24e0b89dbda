import { SondeError } from "@sonde/schemas/errors";
import { type JWTPayload, type JWTVerifyGetKey, decodeJwt, errors, jwtVerify } from "jose";
import { createIssuerKeys } from "./issuer-keys.ts";

/** Public-key signatures alone: no `none`, nothing whose key a verifier could sign with. */
const ALGORITHMS = ["RS256", "ES256", "EdDSA"];
const SKEW_SECONDS = 30;
/** A job's token is made when the job begins; the use of it may be its last step. */
const MAX_AGE_SECONDS = 60 * 60;

/** An OIDC issuer, and where its keys are. */
export type TokenIssuer = { issuer: string; jwksUri: string };

/** An identity token that verified. */
export type VerifiedToken<Issuer extends TokenIssuer = TokenIssuer> = {
  /** The configured one that signed it. */
  issuer: Issuer;
  claims: ReadonlyMap<string, unknown>;
  /** The token's own id, to be spent once. */
  jti: string;
  /** After this moment it would be refused whether spent or not. */
  deadAt: Date;
};

export type TokenVerifier<Issuer extends TokenIssuer = TokenIssuer> = {
  /** @throws SondeError IDENTITY_REFUSED or ISSUER_UNAVAILABLE */
  verify(token: string): Promise<VerifiedToken<Issuer>>;
};

/**
 * Verifies identity tokens (JWT) of the configured issuers for one audience.
 *
 * @param trusted `audience`: what a token must be made for, and for nobody else
 */
export function createTokenVerifier<Issuer extends TokenIssuer>(
  trusted: { audience: string; issuers: readonly Issuer[] },
  now: () => Date,
): TokenVerifier<Issuer> {
  const { audience } = trusted;
  const issuers = new Map(
    trusted.issuers.map((about) => [
      about.issuer,
      { about, keys: createIssuerKeys(about.jwksUri) },
    ]),
  );
  return {
    async verify(token) {
      // Says only whose keys to look at; the signature is checked with those and `iss` again.
      const claimed = decodeIssuer(token);
      const issuer = issuers.get(claimed);
      if (issuer === undefined) {
        throw refusal(`expected a configured issuer, got ${JSON.stringify(claimed)}`);
      }
      const payload = await verifyToken(token, issuer.keys, claimed, audience, now());
      const { jti, exp = 0, iat = 0, aud } = payload;
      // A token for several may be sent on by any of them.
      if (aud !== audience && !(Array.isArray(aud) && aud.length === 1)) {
        throw refusal(`expected the audience ${audience} alone, got several`);
      }
      if (typeof jti !== "string" || jti === "" || jti.length > 500) {
        throw refusal("expected a token with an id (jti), got none that fits");
      }
      const dead = Math.min(exp, iat + MAX_AGE_SECONDS) + SKEW_SECONDS;
      const claims = new Map(Object.entries(payload));
      return { issuer: issuer.about, claims, jti, deadAt: new Date(dead * 1000) };
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
