import "reflect-metadata";
import { type KeyObject, webcrypto } from "node:crypto";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { webAlgorithmOf } from "@sonde/trust/envelope";

/**
 * Builds a PKCS#10 request in PEM, signed by the agent's key. Its subject is for people
 * only: the hub uses nothing but the public key.
 */
export async function buildCsr(privateKey: KeyObject, publicKey: KeyObject): Promise<string> {
  const keys = {
    privateKey: await importKey(privateKey, "pkcs8", "sign"),
    publicKey: await importKey(publicKey, "spki", "verify"),
  };
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: "CN=sonde-agent",
    keys,
    signingAlgorithm: webAlgorithmOf(publicKey),
  });
  return request.toString("pem");
}

function importKey(
  key: KeyObject,
  type: "pkcs8" | "spki",
  usage: "sign" | "verify",
): Promise<webcrypto.CryptoKey> {
  const der = key.export({ type, format: "der" });
  // Only the public half is extractable: it goes into the request.
  return webcrypto.subtle.importKey(type, der, webAlgorithmOf(key), usage === "verify", [usage]);
}
