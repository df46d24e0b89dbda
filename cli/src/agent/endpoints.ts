import type { PackExplanation } from "@sonde/schemas/agent";
import { SondeError } from "@sonde/schemas/errors";
import { isLoopback, parseEndpoint, whyUnreachable } from "@sonde/sources";

/** True for a pack that connects to endpoints which a person names. */
export function takesEndpoints({ requires }: PackExplanation): boolean {
  return isAsked(requires.hosts) || isAsked(requires.sockets);
}

function isAsked(items: readonly string[] = []): boolean {
  return items.some((item) => item.startsWith("<endpoint> "));
}

/**
 * Checks the endpoints that a person names for a pack.
 *
 * @throws SondeError BAD_REQUEST
 */
export function requireEndpoints(shown: PackExplanation, given: readonly string[]): string[] {
  for (const endpoint of given) {
    if (!takesEndpoints(shown)) {
      throw new SondeError(
        "BAD_REQUEST",
        `expected no --endpoint, since ${shown.name} does not ask for an <endpoint>; nothing was changed`,
      );
    }
    const parsed = parseEndpoint(endpoint);
    const why = parsed === null ? JSON.stringify(endpoint) : whyUnreachable(parsed.host);
    if (parsed === null || why !== null) {
      throw new SondeError(
        "BAD_REQUEST",
        `expected a name or address in small letters and a port, as in shop.example:443, got ${why}; nothing was changed`,
      );
    }
    // Its runner would refuse it too, but only when somebody asks.
    if (!isAsked(shown.requires.hosts) && !isLoopback(parsed)) {
      throw new SondeError(
        "BAD_REQUEST",
        `expected a port of 127.0.0.1 or [::1], since ${shown.name} connects to no other host, got ${endpoint}; nothing was changed`,
      );
    }
  }
  return [...new Set(given)].toSorted();
}

/**
 * Where the pack may connect to, by its holes, and where no longer. Empty for a pack that takes no
 * endpoints.
 */
export function describeEndpoints(shown: PackExplanation, endpoints: readonly string[]): string[] {
  if (!takesEndpoints(shown)) return [];
  const named = endpoints.length === 0 ? ["nothing: name it by --endpoint HOST:PORT"] : endpoints;
  const gone = shown.endpoints.filter((endpoint) => !endpoints.includes(endpoint));
  return [
    "  may connect to",
    ...named.map((line) => `    ${line}`),
    ...gone.map((endpoint) => `    - ${endpoint}, which was granted before`),
  ];
}
