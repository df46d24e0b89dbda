import { SondeError } from "@sonde/schemas/errors";
import { readConfiguredText } from "@sonde/service";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Configuration } from "openid-client";
import type { Hub } from "../../hub.ts";
import { type Claims, readClaims } from "../core/claims.ts";
import { readNextPath } from "../core/next-path.ts";
import type { Cookies } from "./cookies.ts";
import type { Vault } from "./vault.ts";

/** As long as a person may take at the identity provider. */
const VISIT_MS = 10 * 60_000;
/** How old a sign-in at the provider may be, in seconds, as it is asked. */
const MAX_AGE_S = 600;
const TIMEOUT_S = 10;
export const CALLBACK = "/login/sso/callback";

/** Whom the identity provider sent back. */
export type Visitor = Claims & { issuer: string; next: string };

/**
 * Single sign-on by OpenID Connect: the code flow with PKCE, state and nonce, which lie sealed in the
 * browser that began. The provider sends browsers back to one exact address.
 */
export type SingleSignOn = {
  /** @returns the address at the provider; or that of the hub by which the provider knows it */
  begin(request: FastifyRequest, reply: FastifyReply, next: string): Promise<string>;
  /** @throws SondeError SIGN_IN_REFUSED */
  finish(request: FastifyRequest, reply: FastifyReply): Promise<Visitor>;
};

export type SsoSettings = NonNullable<Hub["config"]["sso"]>;

/** Loaded at the first sign-in. */
const openId = () => import("openid-client");

export function createSingleSignOn(
  { now }: Pick<Hub, "now">,
  settings: SsoSettings,
  { cookies, vault }: { cookies: Cookies; vault: Vault },
): SingleSignOn {
  const redirect = new URL(CALLBACK, settings.address).href;
  let discovered: Promise<Configuration> | null = null;

  async function discover(): Promise<Configuration> {
    const { allowInsecureRequests, ClientSecretBasic, discovery, enableNonRepudiationChecks } =
      await openId();
    const secret = readConfiguredText(settings.clientSecretFile, "client secret").trim();
    const issuer = new URL(settings.issuer);
    // The shape of the setting allows plain HTTP on loopback only.
    const plain = issuer.protocol === "http:" ? [allowInsecureRequests] : [];
    const auth = ClientSecretBasic(secret);
    return await discovery(issuer, settings.clientId, {}, auth, {
      // The token's signature is checked too, and not only the TLS by which it came.
      execute: [enableNonRepudiationChecks, ...plain],
      timeout: TIMEOUT_S,
    });
  }
  /** Kept once it worked. @throws SondeError ISSUER_UNAVAILABLE */
  const configuration = async (): Promise<Configuration> => {
    discovered ??= discover();
    try {
      return await discovered;
    } catch (cause) {
      discovered = null;
      throw new SondeError("ISSUER_UNAVAILABLE", `cannot read what ${settings.issuer} is`, {
        cause,
      });
    }
  };

  return {
    async begin(request, reply, next) {
      const own = `${cookies.schemeOf(request)}://${request.headers.host ?? ""}`;
      // The cookie must be at the host to which the provider sends the browser back.
      if (own !== settings.address) {
        return new URL(`/login/sso?next=${encodeURIComponent(next)}`, settings.address).href;
      }
      const config = await configuration();
      const client = await openId();
      const kept = {
        next,
        state: client.randomState(),
        nonce: client.randomNonce(),
        verifier: client.randomPKCECodeVerifier(),
      };
      const until = new Date(now().getTime() + VISIT_MS);
      const value = vault.seal("sso", kept, until);
      cookies.set(request, reply, { name: "sso", value, maxAgeMs: VISIT_MS });
      return client.buildAuthorizationUrl(config, {
        ...{ redirect_uri: redirect, scope: settings.scope ?? "openid profile email" },
        ...{ state: kept.state, nonce: kept.nonce, max_age: String(MAX_AGE_S) },
        code_challenge: await client.calculatePKCECodeChallenge(kept.verifier),
        code_challenge_method: "S256",
      }).href;
    },
    async finish(request, reply) {
      const kept = vault.open("sso", cookies.read(request, "sso"), now()) as Record<
        "next" | "state" | "nonce" | "verifier",
        string
      > | null;
      cookies.set(request, reply, { name: "sso", value: "", maxAgeMs: 0 });
      if (kept === null) throw new SondeError(...REFUSED);
      const config = await configuration();
      const { authorizationCodeGrant } = await openId();
      const came = new URL(request.url, settings.address);
      try {
        const tokens = await authorizationCodeGrant(config, came, {
          expectedState: kept.state,
          expectedNonce: kept.nonce,
          pkceCodeVerifier: kept.verifier,
          idTokenExpected: true,
        });
        const claims = readClaims(tokens.claims() ?? {}, settings);
        return { ...claims, issuer: settings.issuer, next: readNextPath(kept.next) };
      } catch (cause) {
        if (cause instanceof SondeError) throw cause;
        throw new SondeError(...REFUSED, { cause });
      }
    },
  };
}

const REFUSED = [
  "SIGN_IN_REFUSED",
  "expected a sign-in at the identity provider that began in this browser",
] as const;
