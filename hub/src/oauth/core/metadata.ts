import { ALL_SCOPES, listResources, type ResourceKind, SCOPES_OF } from "./scopes.ts";
import { DEVICE_CODE } from "./client-document.ts";
import { PATHS } from "./paths.ts";

const PROTECTED_RESOURCE = "/.well-known/oauth-protected-resource";

/** Where the metadata of a resource is (RFC 9728, 3.1). That of `/mcp` is also at the root. */
export const RESOURCE_METADATA_PATHS: readonly (readonly [path: string, kind: ResourceKind])[] = [
  [PROTECTED_RESOURCE, "mcp"],
  [`${PROTECTED_RESOURCE}/mcp`, "mcp"],
  [`${PROTECTED_RESOURCE}/api/v1`, "api"],
];

/**
 * The name of a resource by which a client reached it. The list is the hub's own, so a request can
 * only choose among its names, of which a loopback listener has three.
 */
function resourceFor(origin: string, kind: ResourceKind, host: string | undefined): string {
  const known = listResources(origin, kind);
  return known.find((resource) => new URL(resource).host === host) ?? known[0] ?? origin;
}

/** Metadata of a protected resource (RFC 9728, 2). */
export function describeResource(origin: string, kind: ResourceKind, host: string | undefined) {
  return {
    resource: resourceFor(origin, kind, host),
    authorization_servers: [origin],
    scopes_supported: [...SCOPES_OF[kind]],
    bearer_methods_supported: ["header"],
    resource_name: kind === "mcp" ? "Sonde" : "Sonde, REST",
  };
}

/** Metadata of the authorization server (RFC 8414, 2). Everything in it is tried by a test. */
export function describeServer(origin: string, grantTypes: readonly string[]) {
  const at = (path: string) => `${origin}${path}`;
  return {
    issuer: origin,
    authorization_endpoint: at(PATHS.authorization),
    token_endpoint: at(PATHS.token),
    registration_endpoint: at(PATHS.registration),
    revocation_endpoint: at(PATHS.revocation),
    device_authorization_endpoint: at(PATHS.device),
    scopes_supported: [...ALL_SCOPES],
    response_types_supported: ["code"],
    response_modes_supported: ["query"],
    grant_types_supported: ["authorization_code", "refresh_token", DEVICE_CODE, ...grantTypes],
    token_endpoint_auth_methods_supported: ["none"],
    revocation_endpoint_auth_methods_supported: ["none"],
    code_challenge_methods_supported: ["S256"],
    authorization_response_iss_parameter_supported: true,
    client_id_metadata_document_supported: true,
  };
}

/**
 * The challenge of a refusal (RFC 6750, 3): where the metadata is, and the scope to ask for.
 *
 * @param scope what is missing; null for a caller without a valid token
 */
export function buildChallenge(
  origin: string,
  kind: ResourceKind,
  { host, scope }: { host: string | undefined; scope: readonly string[] | null },
): string {
  const resource = new URL(resourceFor(origin, kind, host));
  const metadata = `${resource.origin}${PROTECTED_RESOURCE}${resource.pathname}`;
  const wanted = scope ?? SCOPES_OF[kind].slice(0, 1);
  const error = scope === null ? "" : ', error="insufficient_scope"';
  return `Bearer realm="sonde"${error}, scope="${wanted.join(" ")}", resource_metadata="${metadata}"`;
}
