import { createHash } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { Capability } from "@sonde/schemas/names";
import { canonicalJson } from "@sonde/trust/canonical-json";
import type { FastifyRequest } from "fastify";
import { hashSecret, type Directory } from "../../directory/index.ts";
import type { AccessGrant, Principal } from "../../identity/index.ts";
import { buildChallenge } from "../core/metadata.ts";
import { narrowGrants } from "../core/narrow.ts";
import { capabilityOf, kindOfResource, type ResourceKind } from "../core/scopes.ts";
import type { GrantStore, TokenRow } from "./grant-store.ts";

/** How long a token stays cached, in ms. `forget` removes an ended one at once. */
const CACHE_MS = 5_000;
const MAX_CACHED = 1_000;

/** A person as a client acts for them: what they may do now. */
export type ActingFor = { name: string; grants: readonly AccessGrant[] };

type Known = { token: TokenRow; person: ActingFor; until: number };

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
  findPerson: (personId: string) => Promise<ActingFor | null>;
  directory: Pick<Directory, "agents">;
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
    const person = token === null ? null : await ports.findPerson(token.personId);
    if (token === null || person === null) return null;
    const until = Math.min(at + CACHE_MS, token.expiresAt.getTime());
    const known = { token, person, until };
    if (cache.size >= MAX_CACHED) cache.clear();
    if (asOf === forgotten) cache.set(hash, known);
    return known;
  }

  return {
    async find(secret, request) {
      const known = await read(secret);
      if (known === null) return null;
      const { token, person } = known;
      const origin = ports.origin();
      const kind = kindOfResource(origin, token.audience);
      if (kind === null || kind !== kindOfRoute(request)) return null;
      if (kind === "api") requireWriting(request, token, origin);
      const narrowing = { scopes: token.tokenScopes, agents: token.agents };
      const grants = narrowGrants(kind, person.grants, narrowing, ports.directory.agents());
      const hash = createHash("sha256").update(canonicalJson(grants)).digest("hex");
      return {
        subject: {
          id: `grant:${token.id}`,
          name: `${token.clientName} for ${person.name}`,
          person: `person:${token.personId}`,
        },
        grants,
        policyHash: `sha256:${hash}`,
        ...(kind === "mcp" && { reach: reachOf(person) }),
      };
    },
    forget(grantId) {
      forgotten += 1;
      for (const [hash, { token }] of cache) {
        if (grantId === null || token.id === grantId) cache.delete(hash);
      }
    },
  };
}

/** The highest capability that the person could grant. */
function reachOf({ grants }: ActingFor): Capability {
  const scopes = grants.map(({ capability }) => capability);
  return capabilityOf(scopes) ?? "observe";
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
