import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { IDENTITY_FILES, type Identity } from "./identity.ts";
import { replaceFile } from "@sonde/files";

/**
 * Replaces the agent's certificate by the one that the hub sent. The new one must be for
 * this agent's key, be issued by the pinned CA, and expire no earlier.
 *
 * @param folder `<stateDir>/identity`
 * @returns the identity with the new certificate, which is then durable
 * @throws SondeError CERTIFICATE_REFUSED; nothing was changed
 */
export function renewCertificate(folder: string, identity: Identity, pem: string): Identity {
  if (!isSuccessor(identity, pem)) {
    throw new SondeError(
      "CERTIFICATE_REFUSED",
      "expected a certificate of the pinned CA for this agent's key that expires no earlier, got another",
    );
  }
  replaceFile(join(folder, IDENTITY_FILES.certificate), pem, 0o644);
  return { ...identity, certificate: pem };
}

function isSuccessor(identity: Identity, pem: string): boolean {
  try {
    const next = new X509Certificate(pem);
    const present = new X509Certificate(identity.certificate);
    return (
      next.checkPrivateKey(identity.key) &&
      next.verify(new X509Certificate(identity.ca).publicKey) &&
      next.subjectAltName === present.subjectAltName &&
      next.validToDate >= present.validToDate
    );
  } catch {
    // The text is not a certificate.
    return false;
  }
}
