import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { createTokenVerifier, type TokenVerifier } from "@sonde/service/oidc";
import type { Provider } from "oidc-provider";
import { errors, type KoaContextWithOIDC } from "oidc-provider";
import type { Sql } from "postgres";
import { hashSecret } from "../../directory/index.ts";
import type { IdentityProvider } from "../../oauth-settings.ts";
import { JWT_BEARER, readAssertion } from "../core/identity-providers.ts";
import { kindOfResource, listResources, MCP_SCOPES, scopesToAsk } from "../core/scopes.ts";

export type JwtBearerPorts = {
  providers: readonly IdentityProvider[];
  origin: string;
  sql: Sql;
  now: () => Date;
  /** The person who comes from that provider; null for one who is not there or disabled. */
  findPerson: (issuer: string, subject: string) => Promise<string | null>;
  /** Records and stores the grant. @returns its id */
  grant: (what: {
    personId: string;
    clientId: string;
    clientName: string;
    issuer: string;
    resource: string;
    scopes: string[];
    ttlMs: number;
  }) => Promise<string>;
  accessSeconds: number;
};

/**
 * Adds the grant of an assertion of the company's identity provider (RFC 7523, with the profile of
 * the MCP extension for enterprise-managed authorization). A person who comes from that provider has
 * an account already; nothing is made by an assertion. It gives no refresh token: the provider
 * decides again each time.
 */
export function addJwtBearer(provider: Provider, ports: JwtBearerPorts): void {
  const verifier = createTokenVerifier(
    { audience: ports.origin, issuers: ports.providers },
    ports.now,
  );

  provider.registerGrantType(
    JWT_BEARER,
    async (ctx) => {
      const { client } = ctx.oidc;
      const text = ctx.oidc.params?.["assertion"];
      if (client === undefined || typeof text !== "string") {
        throw new errors.InvalidRequest("expected an assertion");
      }
      const verified = await verify(verifier, text);
      const { issuer, claims } = verified;
      const assertion = readAssertion(readType(text), claims, client.clientId);
      if (typeof assertion === "string") throw new errors.InvalidGrant(assertion);
      if (!issuer.clients.includes(client.clientId)) {
        throw new errors.InvalidGrant("expected a client that this provider may let in");
      }
      const resource = readResource(ctx, assertion.resource);
      const ceiling = MCP_SCOPES.indexOf(issuer.ceiling ?? "observe");
      const allowed = MCP_SCOPES.slice(0, ceiling + 1);
      const scopes = scopesToAsk(assertion.scope, "mcp").filter((scope) =>
        allowed.some((known) => known === scope),
      );
      await useOnce(issuer.issuer, verified.jti, verified.deadAt);
      const personId = await ports.findPerson(issuer.issuer, assertion.subject);
      if (personId === null)
        throw new errors.InvalidGrant("expected a person with an account here");
      const grantId = await ports.grant({
        ...{ personId, clientId: client.clientId, clientName: client.clientName ?? "" },
        ...{ issuer: issuer.issuer, resource, scopes, ttlMs: ports.accessSeconds * 1000 },
      });
      await issue(ctx, { personId, grantId, resource, scope: scopes.join(" ") });
    },
    ["assertion", "scope", "resource"],
  );

  function readResource(ctx: KoaContextWithOIDC, ofAssertion: string | undefined): string {
    const asked = ctx.oidc.params?.["resource"] ?? ofAssertion;
    const resource = typeof asked === "string" ? asked : listResources(ports.origin, "mcp")[0];
    const isOwn = resource !== undefined && kindOfResource(ports.origin, resource) === "mcp";
    if (!isOwn || (ofAssertion !== undefined && ofAssertion !== resource)) {
      throw new errors.InvalidTarget();
    }
    return resource;
  }

  /** RFC 7523, 3: an assertion counts once, at all hubs of the database together. */
  async function useOnce(issuer: string, jti: string, deadAt: Date): Promise<void> {
    const used = await ports.sql`
      insert into oauth_assertions (issuer, jti_sha256, expires_at)
      values (${issuer}, ${hashSecret(jti)}, ${deadAt}) on conflict do nothing returning 1`;
    if (used.length === 0) throw new errors.InvalidGrant("expected an assertion that was not used");
  }

  async function issue(
    ctx: KoaContextWithOIDC,
    of: { personId: string; grantId: string; resource: string; scope: string },
  ): Promise<void> {
    const { client } = ctx.oidc;
    if (client === undefined) throw new errors.InvalidRequest("expected a client");
    const token = new provider.AccessToken({
      ...{ client, accountId: of.personId, grantId: of.grantId, gty: "jwt_bearer" },
      expiresWithSession: false,
    });
    token.aud = of.resource;
    token.scope = of.scope;
    const value = await token.save();
    ctx.body = {
      access_token: value,
      token_type: "Bearer",
      expires_in: ports.accessSeconds,
      scope: of.scope,
    };
  }
}

async function verify(verifier: TokenVerifier<IdentityProvider>, text: string) {
  try {
    return await verifier.verify(text);
  } catch (thrown) {
    if (!(thrown instanceof SondeError) || thrown.status >= 500) throw thrown;
    throw new errors.InvalidGrant(thrown.message);
  }
}

/** The type in the header of an assertion that was verified. */
function readType(text: string): unknown {
  const [header = ""] = text.split(".");
  const parsed = parseJson(Buffer.from(header, "base64url"), "assertion", "IDENTITY_REFUSED");
  return (parsed as { typ?: unknown }).typ;
}
