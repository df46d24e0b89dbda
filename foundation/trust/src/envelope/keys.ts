import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  type KeyPairKeyObjectResult,
  sign,
  verify,
} from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import type { KeyAlgorithm } from "@sonde/schemas/wire";

/** Holds a private key and signs with the one algorithm of its kind. */
export type SigningKey = { readonly keyId: Digest; sign(bytes: Uint8Array): Buffer };

/** NIST SP 800-57 part 1, table 2: 3072 bits have the strength of ed25519. */
const MIN_RSA_BITS = 3072;
const MAX_RSA_BITS = 4096;
/** FIPS 186-5, A.1.1: with a small exponent, such as 1, anybody can sign. */
const RSA_EXPONENT = 65_537n;

/** The parameter of `sign` and `verify` for each algorithm. */
const HASHES: Record<KeyAlgorithm, null | "sha256"> = { ed25519: null, "rsa-sha256": "sha256" };

/** Makes a new key pair. An RSA key takes about a second. */
export function createKeyPair(algorithm: KeyAlgorithm): KeyPairKeyObjectResult {
  return algorithm === "ed25519"
    ? generateKeyPairSync("ed25519")
    : generateKeyPairSync("rsa", {
        modulusLength: MIN_RSA_BITS,
        publicExponent: Number(RSA_EXPONENT),
      });
}

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

/**
 * Returns the one algorithm of a key, either half. A message never chooses it (attack 7).
 *
 * @throws SondeError CONFIG_INVALID when the key is of another kind or size
 */
export function algorithmOf(key: KeyObject): KeyAlgorithm {
  if (key.asymmetricKeyType === "ed25519") return "ed25519";
  const { modulusLength: bits = 0, publicExponent } = key.asymmetricKeyDetails ?? {};
  const fits = bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS && publicExponent === RSA_EXPONENT;
  if (key.asymmetricKeyType === "rsa" && fits) return "rsa-sha256";
  const exponent = publicExponent === undefined ? "" : ` with exponent ${publicExponent}`;
  throw new SondeError(
    "CONFIG_INVALID",
    `expected an ed25519 key, or an RSA key of ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits with exponent ${RSA_EXPONENT}, got ${key.asymmetricKeyType ?? "a secret key"} ${bits || ""}${exponent}`.trim(),
  );
}

/** Returns the parameters of a key's algorithm for WebCrypto, which the X.509 library uses. */
export function webAlgorithmOf(key: KeyObject): { name: string; hash?: "SHA-256" } {
  return algorithmOf(key) === "ed25519"
    ? { name: "Ed25519" }
    : { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
}

/**
 * @param publicKey the public half, from which the key id is computed
 * @throws SondeError CONFIG_INVALID when the key is of another kind or size
 */
export function createSigningKey(privateKey: KeyObject, publicKey: KeyObject): SigningKey {
  const hash = HASHES[algorithmOf(privateKey)];
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
  return verify(HASHES[algorithmOf(publicKey)], bytes, publicKey, signature);
}
