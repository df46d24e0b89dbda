import { createHash } from "node:crypto";

/** Secrets are stored as hashes only, so a stolen database gives no access (attack 16). */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret, "utf8").digest("hex");
}
