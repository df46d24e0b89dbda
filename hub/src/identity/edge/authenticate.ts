import type { AuditRecord } from "@sonde/schemas/audit";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { createRefusalCounts, readBearer } from "@sonde/service";
import { hashSecret } from "../../directory/index.ts";
import type { Principal } from "../core/authorize.ts";
import { mayBeKey } from "./key-secret.ts";
import { createPrincipal, holderOfKey, type PolicyBook } from "../core/principal.ts";
import type { KeyStore } from "./key-store.ts";

/** How long a key stays cached, in ms. `forget` removes a revoked key at once. */
const CACHE_MS = 5_000;
const MAX_CACHED = 1_000;
/** How often the last use of a key is written at the most. */
const NOTE_USE_MS = 60_000;

/**
 * Converts an Authorization header to a principal, with a short cache. Notes when a key was used and
 * from where, which no request waits for. `close` records the pending refusal counts.
 */
export type Authenticator = {
  /** @throws SondeError UNAUTHENTICATED, the same for every text that may be a key */
  authenticate(authorization: string | undefined, address: string): Promise<Principal>;
  /** Counts a refusal. @returns the error to throw, the same for every reason and kind of secret */
  refuse(address: string): SondeError;
  forget(keyId: string): void;
  close(): Promise<void>;
};

export function createAuthenticator(options: {
  keys: Pick<KeyStore, "findKey" | "noteUse">;
  book: PolicyBook;
  auditLog: { append(record: AuditRecord): Promise<unknown> };
  now: () => Date;
  report: (error: Error) => void;
}): Authenticator {
  const cache = new Map<string, { id: string; principal: Principal; until: number }>();
  /** When the use of a key was noted last, in ms, by its id. */
  const noted = new Map<string, number>();
  const noting = new Set<Promise<void>>();
  const refusals = createRefusalCounts({ event: "key.refused", ...options });
  /** Counts calls of `forget`. A key that was read before the latest one is not cached. */
  let forgotten = 0;

  const refuse = (address: string, got = ""): SondeError => {
    refusals.add(address, "UNAUTHENTICATED");
    return new SondeError("UNAUTHENTICATED", `expected a valid API key as a bearer token${got}`);
  };

  function noteUse(id: string, address: string, now: number): void {
    if (now - (noted.get(id) ?? -Infinity) < NOTE_USE_MS) return;
    if (noted.size >= MAX_CACHED) noted.clear();
    noted.set(id, now);
    const written = options.keys
      .noteUse(id, address, new Date(now))
      .catch((thrown: unknown) => options.report(toSondeError(thrown)))
      .finally(() => noting.delete(written));
    noting.add(written);
  }

  return {
    refuse,
    async authenticate(authorization, address) {
      const secret = readBearer(authorization);
      if (secret === null) throw refuse(address);
      if (!mayBeKey(secret)) throw refuse(address, ", got one that is mistyped or cut");
      const hash = hashSecret(secret);
      const now = options.now().getTime();
      let known = cache.get(hash);
      if (known === undefined || known.until <= now) {
        const asOf = forgotten;
        const key = await options.keys.findKey(secret, new Date(now));
        if (key === null) {
          cache.delete(hash);
          throw refuse(address);
        }
        const id = `key:${key.id}`;
        const subject = { id, name: key.name };
        const principal = createPrincipal(options.book, subject, [
          holderOfKey(id, key.policy, key.held),
        ]);
        const ends = key.endsAt?.getTime() ?? Infinity;
        known = { id: key.id, principal, until: Math.min(now + CACHE_MS, ends) };
        if (cache.size >= MAX_CACHED) cache.clear();
        if (asOf === forgotten) cache.set(hash, known);
      }
      noteUse(known.id, address, now);
      return known.principal;
    },
    forget(keyId) {
      forgotten += 1;
      for (const [hash, { id }] of cache) if (id === keyId) cache.delete(hash);
    },
    async close() {
      await Promise.all(noting);
      await refusals.close();
    },
  };
}
