import { readFileSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { readKeyId } from "../trust-policy-file.ts";

/**
 * @returns a publisher's public key in PEM, with the fingerprint that people compare
 * @throws SondeError NOT_FOUND, or BAD_REQUEST for anything but an RSA public key
 */
export function readPublicKey(file: string): { publicKey: string; keyId: string } {
  let publicKey: string;
  try {
    publicKey = readFileSync(file, "utf8");
  } catch (cause) {
    throw new SondeError("NOT_FOUND", `expected a public key in ${file}, cannot read it`, {
      cause,
    });
  }
  return { publicKey, keyId: readKeyId(publicKey) };
}
