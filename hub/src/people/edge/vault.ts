import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals values that only a hub with the same keys may read or make: secrets at rest, and state that
 * a browser keeps for the hub. AES-256-GCM; the purpose is bound in, so that what was sealed for one
 * opens for no other.
 */
export type Vault = {
  /** @param until after this time it does not open any more; null for never */
  seal(purpose: string, value: object, until: Date | null): string;
  /** @returns null for what is no sealed value of that purpose, or too old */
  open(purpose: string, sealed: string | undefined, now: Date): Record<string, unknown> | null;
};

/** @param key 32 bytes */
export function createVault(key: Buffer): Vault {
  return {
    seal(purpose, value, until) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      cipher.setAAD(Buffer.from(purpose));
      const text = JSON.stringify({ value, until: until?.getTime() ?? null });
      const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64url");
    },
    open(purpose, sealed, now) {
      const bytes = Buffer.from(sealed ?? "", "base64url");
      if (bytes.length <= NONCE_BYTES + TAG_BYTES) return null;
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(purpose));
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      const text = decryptOrNull(decipher, bytes.subarray(NONCE_BYTES + TAG_BYTES));
      if (text === null) return null;
      // Only this function's twin made it.
      const { value, until } = JSON.parse(text) as {
        value: Record<string, unknown>;
        until: number | null;
      };
      return until === null || now.getTime() < until ? value : null;
    },
  };
}

function decryptOrNull(
  decipher: ReturnType<typeof createDecipheriv>,
  bytes: Buffer,
): string | null {
  try {
    return Buffer.concat([decipher.update(bytes), decipher.final()]).toString("utf8");
  } catch {
    // Not sealed by this key for this purpose, or changed.
    return null;
  }
}
