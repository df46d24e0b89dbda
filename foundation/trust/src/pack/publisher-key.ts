import { type KeyObject, createPublicKey } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";

const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 4096;

/**
 * Reads a publisher's public key from PEM.
 *
 * @throws SondeError CONFIG_INVALID unless it is a public RSA key of 2048 to 4096 bits
 */
export function parsePublisherKey(pem: string): KeyObject {
  // Node would also accept a private key, but a policy must not hold one.
  if (!pem.startsWith("-----BEGIN PUBLIC KEY-----\n")) {
    throw new SondeError("CONFIG_INVALID", "publisher key: expected a PUBLIC KEY in PEM");
  }
  const key = readPem(pem);
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== "rsa" || bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) {
    throw new SondeError(
      "CONFIG_INVALID",
      `publisher key: expected rsa of ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits, got ${key.asymmetricKeyType} of ${bits}`,
    );
  }
  return key;
}

function readPem(pem: string): KeyObject {
  try {
    return createPublicKey({ key: pem, format: "pem", type: "spki" });
  } catch (cause) {
    throw new SondeError("CONFIG_INVALID", "publisher key: expected a readable PEM key", { cause });
  }
}
