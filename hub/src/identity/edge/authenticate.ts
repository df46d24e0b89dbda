import { createHash } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { API_KEY_PREFIX } from "@sonde/schemas/wire";
import { canonicalJson } from "@sonde/trust/canonical-json";
import { type AuditLog, buildAuditRecord } from "../../audit/index.ts";
import { hashSecret } from "../../directory/index.ts";
import { type Principal, grantsOf } from "../core/authorize.ts";
import type { KeyStore } from "./key-store.ts";

/** A key revoked through another process is noticed within this time; here at once. */
const CACHE_MS = 5_000;
const MAX_CACHED = 1_000;
const MAX_ADDRESSES = 1_000;
const REPORT_EVERY_MS = 60_000;
const BEARER = /^Bearer ([A-Za-z0-9_-]{20,200})$/;

/** Turns an Authorization header into a principal. Holds a short cache; `close` ends its timer. */
export type Authenticator = {
  /** @throws SondeError UNAUTHENTICATED, the same for every reason */
  authenticate(authorization: string | undefined, address: string): Promise<Principal>;
  forget(keyId: string): void;
  close(): void;
};

export function createAuthenticator(options: {
  keys: KeyStore;
  auditLog: AuditLog;
  now: () => Date;
  report: (error: Error) => void;
}): Authenticator {
  const cache = new Map<string, { principal: Principal; until: number }>();
  let refusals = new Map<string, number>();

  // One row per address and minute: a flood of bad keys must not become a flood of rows.
  const timer = setInterval(() => {
    const counted = refusals;
    refusals = new Map();
    for (const [address, count] of counted) {
      options.auditLog
        .append(
          buildAuditRecord(options.now(), "key.refused", {
            status: "denied",
            code: "UNAUTHENTICATED",
            detail: { address, count },
          }),
        )
        .catch(options.report);
    }
  }, REPORT_EVERY_MS);
  timer.unref();

  function refuse(address: string): SondeError {
    const known = refusals.has(address) || refusals.size < MAX_ADDRESSES;
    const bucket = known ? address : "others";
    refusals.set(bucket, (refusals.get(bucket) ?? 0) + 1);
    return new SondeError("UNAUTHENTICATED", "expected a valid API key as a bearer token");
  }

  return {
    async authenticate(authorization, address) {
      const secret = BEARER.exec(authorization ?? "")?.[1];
      if (secret === undefined || !secret.startsWith(API_KEY_PREFIX)) throw refuse(address);
      const hash = hashSecret(secret);
      const now = options.now().getTime();
      const cached = cache.get(hash);
      if (cached !== undefined && cached.until > now) return cached.principal;
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
      cache.set(hash, { principal, until: now + CACHE_MS });
      return principal;
    },
    forget(keyId) {
      for (const [hash, { principal }] of cache) {
        if (principal.subject.id === `key:${keyId}`) cache.delete(hash);
      }
    },
    close: () => clearInterval(timer),
  };
}
