import { type KeyObject, generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import type { Digest } from "@sonde/schemas/names";
import { keyIdOf } from "@sonde/trust/pack";

const MODULUS_BITS = 3072;

/** A publisher's new key: the private half to keep, the public half (PEM) to hand out. */
export type PublisherKey = { privateKey: KeyObject; publicKeyPem: string; keyId: Digest };

/** Creates an RSA key of 3072 bits and stores nothing. Takes up to a few seconds. */
export async function createPublisherKey(): Promise<PublisherKey> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)("rsa", {
    modulusLength: MODULUS_BITS,
  });
  const publicKeyPem = publicKey.export({ type: "spki", format: "pem" }).toString();
  return { privateKey, publicKeyPem, keyId: keyIdOf(publicKey) };
}
