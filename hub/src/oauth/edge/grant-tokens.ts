import { SondeError } from "@sonde/schemas/errors";
import type { FastifyRequest } from "fastify";
import type { Actors } from "../../audit/index.ts";
import { hashSecret } from "../../directory/index.ts";
import {
  createPrincipal,
  highestCapability,
  type PolicyBook,
  type Principal,
} from "../../identity/index.ts";
import { type FindPerson, holderOfPerson, principalOf } from "../../people/index.ts";
import { buildChallenge } from "../core/metadata.ts";
import { holderOfGrant } from "../core/narrow.ts";
import { kindOfResource, type ResourceKind } from "../core/scopes.ts";
import type { GrantStore, TokenRow } from "./grant-store.ts";

/** How long a token stays cached, in ms. `forget` removes an ended one at once. */
const CACHE_MS = 5_000;
const MAX_CACHED = 1_000;

/** A token, and what it makes of its bearer: null for one that is not for this hub. */
type Known = { token: TokenRow; kind: ResourceKind; principal: Principal; until: number };

type Person = NonNullable<Awaited<ReturnType<FindPerson>>>;

/** Converts access tokens to principals. */
export type GrantTokens = {
  /**
   * Null for a token that is unknown, over, of an ended grant, of a person who is gone, or for
   * another resource than the one of the request (RFC 8707; attack 30).
   *
   * @throws SondeError SCOPE_MISSING when the token's scopes do not reach so far
   */
  find(secret: string, request: FastifyRequest): Promise<Principal | null>;
  /** Forgets tokens of a grant, or all. */
  forget(grantId: string | null): void;
};

export function createGrantTokens(ports: {
  grants: Pick<GrantStore, "findToken">;
  findPerson: FindPerson;
  actors: Pick<Actors, "note">;
  directory: PolicyBook;
  origin: () => string;
  now: () => Date;
}): GrantTokens {
  const cache = new Map<string, Known>();
  /** Counts calls of `forget`. A token that was read before the latest one is not cached. */
  let forgotten = 0;

  async function read(secret: string): Promise<Known | null> {
    const hash = hashSecret(secret);
    const at = ports.now().getTime();
    const cached = cache.get(hash);
    if (cached !== undefined && cached.until > at) return cached;
    cache.delete(hash);
    const asOf = forgotten;
    const token = await ports.grants.findToken(secret);
    const person = token === null ? null : await ports.findPerson({ id: token.personId });
    const kind = token === null ? null : kindOfResource(ports.origin(), token.audience);
    if (token === null || person === null || kind === null) return null;
    const until = Math.min(at + CACHE_MS, token.expiresAt.getTime());
    const known = { token, kind, principal: buildPrincipal(token, kind, person), until };
    if (cache.size >= MAX_CACHED) cache.clear();
    if (asOf === forgotten) cache.set(hash, known);
    return known;
  }

  function buildPrincipal(token: TokenRow, kind: ResourceKind, person: Person): Principal {
    const narrowing = { scopes: token.tokenScopes, agents: token.agents };
    const holder = holderOfPerson(person);
    ports.actors.note(`grant:${token.id}`, { person: holder.id, client: token.clientId });
    const name = `${token.clientName} for ${person.name}`;
    const principal = createPrincipal(
      ports.directory,
      { id: `grant:${token.id}`, name, person: holder.id },
      [holder, holderOfGrant(token.id, kind, holder, narrowing)],
    );
    if (kind === "api") return principal;
    const reach = highestCapability(principalOf(ports.directory, person));
    return Object.assign(principal, { reach });
  }

  return {
    async find(secret, request) {
      const known = await read(secret);
      if (known === null) return null;
      const { token, kind, principal } = known;
      if (kind !== kindOfRoute(request)) return null;
      if (kind === "api") requireWriting(request, token, ports.origin());
      return principal;
    },
    forget(grantId) {
      forgotten += 1;
      for (const [hash, { token }] of cache) {
        if (grantId === null || token.id === grantId) cache.delete(hash);
      }
    },
  };
}

function kindOfRoute({ routeOptions: { url = "" } }: FastifyRequest): ResourceKind | null {
  if (url === "/mcp" || url === "/mcp/") return "mcp";
  return url.startsWith("/api/v1/") ? "api" : null;
}

function requireWriting(request: FastifyRequest, token: TokenRow, origin: string): void {
  const reads = request.method === "GET" || request.method === "HEAD";
  if (reads || token.tokenScopes.includes("api.write")) return;
  const { host } = request.headers;
  request.challenge = buildChallenge(origin, "api", { host, scope: ["api.read", "api.write"] });
  throw new SondeError("SCOPE_MISSING", "expected a token with the scope api.write");
}
