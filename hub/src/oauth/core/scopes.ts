import type { Capability } from "@sonde/schemas/names";
import { LOOPBACK_HOSTS } from "@sonde/service";

/** Each capability is a scope of `/mcp`. A higher one has the lower ones with it. */
export const MCP_SCOPES: readonly Capability[] = ["observe", "interact", "manage"];
/** To read over REST, and to change as well. */
export const API_SCOPES = ["api.read", "api.write"] as const;
export const ALL_SCOPES: readonly string[] = [...MCP_SCOPES, ...API_SCOPES];

const RESOURCES = { mcp: "/mcp", api: "/api/v1" } as const;
export type ResourceKind = keyof typeof RESOURCES;

/** Scopes of each kind of resource, from the least to the most. */
export const SCOPES_OF: Readonly<Record<ResourceKind, readonly string[]>> = {
  mcp: MCP_SCOPES,
  api: API_SCOPES,
};

/**
 * The names of a resource of this hub, the best one first. On a loopback listener a client says
 * `localhost` or an address of loopback as it likes, and demands a resource of the same origin.
 *
 * @param origin of the hub, from its configuration
 */
export function listResources(origin: string, kind: ResourceKind): string[] {
  const { protocol, hostname, port } = new URL(origin);
  const hosts = LOOPBACK_HOSTS.includes(hostname) ? LOOPBACK_HOSTS : [hostname];
  const suffix = port === "" ? "" : `:${port}`;
  return hosts.map((host) => `${protocol}//${host}${suffix}${RESOURCES[kind]}`);
}

/** The kind of a resource indicator (RFC 8707); null for one that is not this hub's. */
export function kindOfResource(origin: string, resource: string): ResourceKind | null {
  const kinds = Object.keys(RESOURCES) as ResourceKind[];
  return kinds.find((kind) => listResources(origin, kind).includes(resource)) ?? null;
}

/**
 * The scopes to ask a person about: those of the resource that were asked for, and all below the
 * highest. Without any, the lowest: whoever needs more is told so and asks again.
 */
export function scopesToAsk(asked: string | undefined, kind: ResourceKind): string[] {
  const wanted = new Set((asked ?? "").split(" "));
  const known = SCOPES_OF[kind];
  const highest = known.findLastIndex((scope) => wanted.has(scope));
  return known.slice(0, Math.max(highest, 0) + 1);
}

/** The highest capability among scopes of `/mcp`; null when there is none. */
export function capabilityOf(scopes: readonly string[]): Capability | null {
  return MCP_SCOPES.findLast((capability) => scopes.includes(capability)) ?? null;
}
