import type { Me } from "@sonde/schemas/people";

/** By how many ways the person could sign in. The hub keeps the last one. */
export function countWays({ passkeys, hasPassword, issuer }: Me): number {
  return passkeys.length + (hasPassword ? 1 : 0) + (issuer === null ? 0 : 1);
}
