import { generateKeyPairSync, randomBytes } from "node:crypto";
import { type KoaContextWithOIDC, Provider, errors, interactionPolicy } from "oidc-provider";
import { ACCESS_TOKEN_PREFIX } from "../core/access-token.ts";
import { PATHS } from "../core/paths.ts";
import type { ClientRules } from "../../oauth-settings.ts";
import { isAllowedRedirect, isRegisteredRedirect } from "../core/client-rules.ts";
import {
  ALL_SCOPES,
  kindOfResource,
  listResources,
  SCOPES_OF,
  scopesToAsk,
} from "../core/scopes.ts";
import { type AdapterPorts, createAdapter } from "./adapter.ts";

const REFRESH_TOKEN_PREFIX = "sonde_rt_";
/** At most ten minutes (RFC 9700, 4.14: short, since opaque tokens are looked up anyway). */
export const ACCESS_SECONDS = 10 * 60;
const REFRESH_SECONDS = 30 * 24 * 3600;
const CODE_SECONDS = 60;
/** How long a person may think about a request. */
const REQUEST_SECONDS = 15 * 60;
const DEVICE_SECONDS = 10 * 60;

export type ProviderPorts = AdapterPorts & {
  /** Address of the hub, from its configuration: the issuer. */
  origin: string;
  rules: () => ClientRules;
  /** Whether the person is there and not disabled. */
  isPerson: (personId: string) => Promise<boolean>;
  /** The page of an error that no client is told. */
  renderError: (error: { error: string; description: string }) => string;
};

/**
 * Creates the authorization server. It makes codes and tokens for what a consent page of the hub
 * decided; it signs nobody in, keeps no session and signs nothing.
 */
export function createProvider(ports: ProviderPorts): Provider {
  const { origin } = ports;
  const provider = new Provider(origin, {
    adapter: (model) => createAdapter(ports, model),
    // Tokens are opaque, and without OpenID Connect nothing is signed. The library demands a key all
    // the same; this one is of no use to anybody, and is kept nowhere.
    jwks: {
      keys: [
        generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }),
      ],
    },
    scopes: [...ALL_SCOPES],
    responseTypes: ["code"],
    clientAuthMethods: ["none"],
    clientDefaults: {
      grant_types: ["authorization_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      id_token_signed_response_alg: "ES256",
    },
    allowOmittingSingleRegisteredRedirectUri: false,
    cookies: {
      names: { session: "sonde-oauth", interaction: "sonde-oauth-ask", resume: "sonde-oauth-back" },
      long: { httpOnly: true, sameSite: "lax" },
      short: { httpOnly: true, sameSite: "lax" },
    },
    // Asked with every request, so that one without scopes asks for the least (see scopesToAsk).
    extraParams: { scopes_to_ask: askForKnownScopes },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      revocation: {
        enabled: true,
        // RFC 7009, 2.1: a client ends its own tokens only.
        allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
      },
      deviceFlow: { enabled: true, mask: "****-****" },
      registration: { enabled: true, issueRegistrationAccessToken: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_ctx, _client, oneOf) => {
          const [first] = oneOf ?? listResources(origin, "mcp");
          return first ?? origin;
        },
        useGrantedResource: () => true,
        getResourceServerInfo(_ctx, resource) {
          const kind = kindOfResource(origin, resource);
          if (kind === null) throw new errors.InvalidTarget();
          return {
            scope: SCOPES_OF[kind].join(" "),
            audience: resource,
            accessTokenTTL: ACCESS_SECONDS,
            accessTokenFormat: "opaque",
          };
        },
      },
    },
    findAccount: async (_ctx, id) =>
      (await ports.isPerson(id)) ? { accountId: id, claims: () => ({ sub: id }) } : undefined,
    interactions: {
      policy: [...askAlways()],
      url: (_ctx, { uid }) => `${PATHS.consent}/${uid}`,
    },
    // A grant is that of the consent, and none is taken over from an earlier request.
    loadExistingGrant: async ({ oidc }) => {
      const id = oidc.result?.consent?.grantId;
      return id === undefined ? undefined : await oidc.provider.Grant.find(id);
    },
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed("refresh_token"),
    expiresWithSession: () => false,
    rotateRefreshToken: true,
    // Whoever revokes one token of a family ends the family.
    revokeGrantPolicy: () => true,
    pkce: { required: () => true },
    routes: {
      authorization: PATHS.authorization,
      token: PATHS.token,
      registration: PATHS.registration,
      revocation: PATHS.revocation,
      device_authorization: PATHS.device,
      code_verification: PATHS.verification,
    },
    ttl: {
      AccessToken: ACCESS_SECONDS,
      RefreshToken: REFRESH_SECONDS,
      AuthorizationCode: CODE_SECONDS,
      DeviceCode: DEVICE_SECONDS,
      Grant: REFRESH_SECONDS,
      Interaction: REQUEST_SECONDS,
      Session: REQUEST_SECONDS,
    },
    renderError(ctx, { error, error_description: description = "" }) {
      ctx.type = "html";
      ctx.body = ports.renderError({ error, description });
    },
  });
  // What a request says of host, scheme and address is set by the mount, for every request.
  provider.proxy = true;
  prefixSecrets(provider.AccessToken.prototype, ACCESS_TOKEN_PREFIX);
  prefixSecrets(provider.RefreshToken.prototype, REFRESH_TOKEN_PREFIX);
  provider.Client.prototype.redirectUriAllowed = function (redirect: string) {
    return (
      isAllowedRedirect(redirect, ports.rules()) &&
      isRegisteredRedirect(redirect, this.redirectUris ?? [])
    );
  };
  return provider;

  function askForKnownScopes(ctx: KoaContextWithOIDC): void {
    const { params } = ctx.oidc;
    const resource = params?.["resource"];
    if (params === undefined || typeof resource !== "string") {
      throw new errors.InvalidTarget("expected one resource");
    }
    const kind = kindOfResource(origin, resource) ?? "mcp";
    params["scope"] = scopesToAsk(asText(params["scope"]), kind).join(" ");
  }
}

/** Each request is decided by a person, on a page of the hub. Nothing is decided by an earlier one. */
function askAlways(): interactionPolicy.Prompt[] {
  const { Check, Prompt } = interactionPolicy;
  const ask = (name: "login" | "consent") =>
    new Prompt(
      { name, requestable: true },
      new Check(`no_${name}`, "a person decides about each request", ({ oidc }) =>
        oidc.result?.[name] === undefined ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT,
      ),
    );
  return [ask("login"), ask("consent")];
}

/** Lets secrets of a kind begin with a prefix, so that a scanner of sources knows one that leaked. */
function prefixSecrets(prototype: object, prefix: string): void {
  // The types of the library leave the method out. It also decides about the form of the token.
  const model = prototype as { generateTokenId: () => string };
  const { generateTokenId } = model;
  model.generateTokenId = function (this: object) {
    generateTokenId.call(this);
    return `${prefix}${randomBytes(32).toString("base64url")}`;
  };
}

function asText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
