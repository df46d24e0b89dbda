import { SondeError } from "@sonde/schemas/errors";
import type { Policy, PolicyRef } from "@sonde/schemas/policy";
import { compilePolicy } from "./compile-policy.ts";

/**
 * Checks what a schema cannot: addresses, times, and that a named policy is there.
 *
 * @param policies those that have names
 * @throws SondeError BAD_REQUEST
 */
export function requireSoundPolicy(policy: PolicyRef, policies: ReadonlyMap<string, Policy>): void {
  if ("name" in policy) {
    if (policies.has(policy.name)) return;
    const known = [...policies.keys()].join(", ") || "none";
    throw new SondeError(
      "BAD_REQUEST",
      `policy: expected the name of one of ${known}, got ${policy.name}`,
    );
  }
  const { expiresAt } = compilePolicy("policy", policy).document;
  if (expiresAt === undefined || !Number.isNaN(Date.parse(expiresAt))) return;
  throw new SondeError("BAD_REQUEST", `expiresAt: expected a time, got ${expiresAt}`);
}
