import { createHash } from "node:crypto";
import type { AuditRecord } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { API_KEY_PREFIX } from "@sonde/schemas/wire";
import { createRefusalCounts, readBearer } from "@sonde/service";
import { canonicalJson } from "@sonde/trust/canonical-json";
import { hashSecret } from "../../directory/index.ts";
import { type Principal, grantsOf } from "../core/authorize.ts";
import type { KeyStore } from "./key-store.ts";

/** How long a key stays cached, in ms. `forget` removes a revoked key at once. */
const CACHE_MS = 5_000;
const MAX_CACHED = 1_000;

/**
 * Converts an Authorization header to a principal, with a short cache. `close` records the pending
 * refusal counts.
 */
export type Authenticator = {
  /** @throws SondeError UNAUTHENTICATED, the same for every reason */
  authenticate(authorization: string | undefined, address: string): Promise<Principal>;
  /** Counts a refusal. @returns the error to throw, the same for every reason and kind of secret */
  refuse(address: string): SondeError;
  forget(keyId: string): void;
  close(): Promise<void>;
};

export function createAuthenticator(options: {
  keys: Pick<KeyStore, "findKey">;
  auditLog: { append(record: AuditRecord): Promise<unknown> };
  now: () => Date;
  report: (error: Error) => void;
}): Authenticator {
  const cache = new Map<string, { principal: Principal; until: number }>();
  const refusals = createRefusalCounts({ event: "key.refused", ...options });
  /** Counts calls of `forget`. A key that was read before the latest one is not cached. */
  let forgotten = 0;

  const refuse = (address: string): SondeError => {
    refusals.add(address, "UNAUTHENTICATED");
    return new SondeError("UNAUTHENTICATED", "expected a valid API key as a bearer token");
  };

  return {
    refuse,
    async authenticate(authorization, address) {
      const secret = readBearer(authorization);
      if (secret === null || !secret.startsWith(API_KEY_PREFIX)) throw refuse(address);
      const hash = hashSecret(secret);
      const now = options.now().getTime();
      const cached = cache.get(hash);
      if (cached !== undefined && cached.until > now) return cached.principal;
      const asOf = forgotten;
      const key = await options.keys.findKey(secret);
      if (key === null) {
        cache.delete(hash);
        throw refuse(address);
      }
      const policyHash = createHash("sha256").update(canonicalJson(key.policy)).digest("hex");
      const principal: Principal = {
        subject: { id: `key:${key.id}`, name: key.name },
        grants: grantsOf(key.policy),
        policyHash: `sha256:${policyHash}`,
      };
      if (cache.size >= MAX_CACHED) cache.clear();
      if (asOf === forgotten) cache.set(hash, { principal, until: now + CACHE_MS });
      return principal;
    },
    forget(keyId) {
      forgotten += 1;
      for (const [hash, { principal }] of cache) {
        if (principal.subject.id === `key:${keyId}`) cache.delete(hash);
      }
    },
    close: () => refusals.close(),
  };
}
