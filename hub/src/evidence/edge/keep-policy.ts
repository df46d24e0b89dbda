import { SondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import type { Sql } from "postgres";
import type { Principal } from "../../identity/index.ts";

/**
 * Keeps the text of a principal's policy, which the records of its calls name by hash.
 *
 * @throws SondeError AUDIT_UNAVAILABLE when it is not kept; then no call may be recorded by it
 */
export type KeepPolicy = (principal: Pick<Principal, "policyText" | "policyHash">) => Promise<void>;

/** Hashes that are remembered; a text that is kept twice is the same. */
const MAX_KNOWN = 10_000;

export function createKeepPolicy(sql: Sql): KeepPolicy {
  const known = new Set<Digest>();
  return async ({ policyText, policyHash }) => {
    if (known.has(policyHash)) return;
    try {
      await sql`insert into policy_texts (sha256, text) values (${policyHash}, ${policyText})
        on conflict do nothing`;
    } catch (cause) {
      throw new SondeError("AUDIT_UNAVAILABLE", "the policy of the call could not be kept", {
        cause,
      });
    }
    if (known.size >= MAX_KNOWN) known.clear();
    known.add(policyHash);
  };
}
