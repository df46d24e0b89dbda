import { createHash, type X509Certificate } from "node:crypto";
import type { CertificateData } from "@sonde/schemas/reads";

const MOST_NAMES = 100;

/**
 * Describes a certificate. Its names are text that a stranger may have chosen.
 *
 * @throws Error for one whose key or dates are of a kind that Node does not read
 */
export function describeCertificate(certificate: X509Certificate): CertificateData {
  const key = certificate.publicKey.export({ type: "spki", format: "der" });
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    names: listNames(certificate.subjectAltName).slice(0, MOST_NAMES),
    notBefore: timeOf(certificate.validFromDate),
    notAfter: timeOf(certificate.validToDate),
    serial: certificate.serialNumber,
    publicKeySha256: createHash("sha256").update(key).digest("hex"),
  };
}

/**
 * True for a certificate that is signed by the key of the other one.
 *
 * @throws Error as `describeCertificate` does
 */
export function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function timeOf(date: Date): number {
  const time = date.getTime();
  if (Number.isNaN(time)) throw new Error("no date");
  return time;
}

/** Node writes a name as lines, and quotes what would look like another line. */
function oneLine(name: string | undefined): string {
  return (name ?? "").split("\n").join(", ");
}

/** `DNS:a.example, IP Address:192.0.2.1`; Node quotes a name that has a comma or a quote. */
function listNames(names: string | undefined): string[] {
  return [...(names ?? "").matchAll(/[^:,]+:("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g)].map(
    ([, name = ""]) => name,
  );
}
