import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";

/** Holds a private key and signs with the one algorithm of its kind. */
export type SigningKey = { readonly keyId: Digest; sign(bytes: Uint8Array): Buffer };

const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 4096;

/**
 * Returns the id of a key: SHA-256 of its public half's SubjectPublicKeyInfo in DER.
 * Takes either half.
 *
 * @returns `sha256:` and 64 hex digits
 */
export function keyIdOf(key: KeyObject): Digest {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  const der = publicKey.export({ type: "spki", format: "der" });
  return `sha256:${createHash("sha256").update(der).digest("hex")}`;
}

/** Returns the digest algorithm of a key. A message never chooses it (attack 7). */
function hashFor(key: KeyObject): null | "sha256" {
  if (key.asymmetricKeyType === "ed25519") return null;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType === "rsa" && bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS) {
    return "sha256";
  }
  throw new SondeError(
    "CONFIG_INVALID",
    `expected an ed25519 key or an RSA key of ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits, got ${key.asymmetricKeyType ?? "a secret key"} ${bits || ""}`.trim(),
  );
}

/**
 * @param publicKey the public half, from which the key id is computed
 * @throws SondeError CONFIG_INVALID when the key is of another kind or size
 */
export function createSigningKey(privateKey: KeyObject, publicKey: KeyObject): SigningKey {
  const hash = hashFor(privateKey);
  return {
    keyId: keyIdOf(publicKey),
    sign: (bytes) => sign(hash, bytes, privateKey),
  };
}

/** True when exactly this key, with its own algorithm, made `signature` over `bytes`. */
export function isSignedBy(
  publicKey: KeyObject,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean {
  return verify(hashFor(publicKey), bytes, publicKey, signature);
}
