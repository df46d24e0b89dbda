import type { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { errnoOf } from "./read-failure.ts";

/** What the programs of a host trust, where Debian, Fedora and SUSE keep it. */
export const TRUSTED = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
];

/** The certificates that the host trusts. Undefined where it has none; then those of Node count. */
export function readTrusted(): Buffer | undefined {
  for (const path of TRUSTED) {
    try {
      return readFileSync(path);
    } catch (error) {
      if (!["ENOENT", "EACCES"].includes(errnoOf(error) ?? "")) throw error;
    }
  }
  return undefined;
}

/** True when a certificate is for the host. Only a subject alternative name counts (RFC 9525). */
export function isNamed(certificate: X509Certificate, host: string): boolean {
  const found =
    isIP(host) === 0
      ? certificate.checkHost(host, { subject: "never" })
      : certificate.checkIP(host);
  return found !== undefined;
}

/** OpenSSL's word for why there is no TLS. */
export function tlsFailure(error: Error): string {
  const reason = "reason" in error && typeof error.reason === "string" ? error.reason : null;
  return (reason ?? errnoOf(error) ?? "no TLS").slice(0, 200);
}
