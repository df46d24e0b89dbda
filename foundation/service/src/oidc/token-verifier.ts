import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { type JWTPayload, type JWTVerifyGetKey, decodeJwt, errors, jwtVerify } from "jose";
import { createIssuerKeys } from "./issuer-keys.ts";

/**
 * Public-key signatures only. Excluded are `none` and HMAC, whose key a verifier could
 * sign with.
 */
const ALGORITHMS = ["RS256", "ES256", "EdDSA"];
const SKEW_SECONDS = 30;
/** A CI job gets its token at its beginning and may use it in its last step. */
const MAX_AGE_SECONDS = 60 * 60;

/** An OIDC issuer and the address of its keys. */
export type TokenIssuer = { issuer: string; jwksUri: string };

/** The content of a verified identity token. */
export type VerifiedToken<Issuer extends TokenIssuer = TokenIssuer> = {
  /** The configured issuer that signed the token. */
  issuer: Issuer;
  claims: ReadonlyMap<string, unknown>;
  /** The token's id. The caller makes sure that it is used once. */
  jti: string;
  /** After this time the token is refused as expired, so its id may be forgotten. */
  deadAt: Date;
};

export type TokenVerifier<Issuer extends TokenIssuer = TokenIssuer> = {
  /** @throws SondeError IDENTITY_REFUSED or ISSUER_UNAVAILABLE */
  verify(token: string): Promise<VerifiedToken<Issuer>>;
};

/**
 * Verifies identity tokens (JWT) of the configured issuers for one audience.
 *
 * @param trusted `audience`: the only audience that a token may name
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
      refuseRepeatedNames(token);
      // The unverified `iss` only selects the keys. The verification below checks `iss` again.
      const claimed = decodeIssuer(token);
      const issuer = issuers.get(claimed);
      if (issuer === undefined) {
        throw refusal(`expected a configured issuer, got ${JSON.stringify(claimed)}`);
      }
      const payload = await verifyToken(token, issuer.keys, claimed, audience, now());
      const { jti, exp = 0, iat = 0, aud } = payload;
      // With several audiences, any of them could replay the token here.
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

/** Header and claims must mean the same to every reader, and the library takes the last of two. */
function refuseRepeatedNames(token: string): void {
  for (const part of token.split(".").slice(0, 2)) {
    parseJson(Buffer.from(part, "base64url"), "identity token", "IDENTITY_REFUSED");
  }
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
