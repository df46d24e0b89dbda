import { type JobIdentity } from "@sonde/schemas/registry";
import { type VerifiedToken, createTokenVerifier } from "@sonde/service/oidc";
import type { RegistryConfig, TrustedIssuer } from "../config.ts";
import { readIdentity } from "../core/read-identity.ts";

/** Path of the keys below the issuer's address. */
const KEYS_PATH = { github: "/.well-known/jwks", gitlab: "/oauth/discovery/keys" } as const;

/** A job with a verified identity token. */
export type VerifiedJob = Pick<VerifiedToken, "jti" | "deadAt"> & {
  issuer: string;
  identity: JobIdentity;
};

export type JobIdentities = {
  /** Kind of an issuer; null unless it is configured. */
  kindOf(issuer: string): TrustedIssuer["kind"] | null;
  /** @throws SondeError IDENTITY_REFUSED or ISSUER_UNAVAILABLE */
  verify(token: string): Promise<VerifiedJob>;
};

/** Creates the verifier of CI jobs' identity tokens, each by its issuer's kind. */
export function createJobIdentities(
  { audience, issuers }: NonNullable<RegistryConfig["trustedPublishing"]>,
  now: () => Date,
): JobIdentities {
  const kinds = new Map(issuers.map(({ issuer, kind }) => [issuer, kind]));
  const trusted = issuers.map((issuer) => ({
    issuer: issuer.issuer,
    kind: issuer.kind,
    jwksUri: issuer.kind === "generic" ? issuer.jwksUri : addressOf(issuer),
  }));
  const tokens = createTokenVerifier({ audience, issuers: trusted }, now);
  return {
    kindOf: (issuer) => kinds.get(issuer) ?? null,
    async verify(token) {
      const { issuer, claims, jti, deadAt } = await tokens.verify(token);
      return { issuer: issuer.issuer, identity: readIdentity(issuer.kind, claims), jti, deadAt };
    },
  };
}

function addressOf(issuer: Exclude<TrustedIssuer, { kind: "generic" }>): string {
  return issuer.jwksUri ?? `${issuer.issuer.replace(/\/$/, "")}${KEYS_PATH[issuer.kind]}`;
}
