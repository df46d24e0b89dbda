import { X509Certificate } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { TrustPolicy } from "@sonde/schemas/trust";
import { readKeyId } from "./trust-policy-file.ts";

/** One signer of a publisher that a host accepts. */
export type TrustedSigner =
  | { publisher: string; keyId: string }
  | { publisher: string; issuer: string; identity: string; repositoryId?: string };

export function listSigners({ publishers }: TrustPolicy): TrustedSigner[] {
  return Object.entries(publishers).flatMap(([publisher, { keys, identities }]) => [
    ...keys.map(({ publicKey }) => ({ publisher, keyId: readKeyId(publicKey) })),
    ...identities.map((identity) => ({ publisher, ...identity })),
  ]);
}

/** A policy for a person who decides about it: everything that it accepts, by fingerprint. */
export function describeTrust(policy: TrustPolicy): string {
  const { registry, registryCa, logKey, allowUnsignedPacks, trustedRoot } = policy;
  return [
    `registry  ${registry}`,
    ...(registryCa === undefined ? [] : [`its CA    ${fingerprintOf(registryCa)}`]),
    `log key   ${logKey}`,
    `unsigned  ${allowUnsignedPacks ? "ACCEPTED from the local folder" : "refused"}`,
    `keyless   ${trustedRoot === undefined ? "refused: no trusted root is pinned" : "verified against the pinned root"}`,
    ...listSigners(policy).map((signer) =>
      "keyId" in signer
        ? `${signer.publisher}  key ${signer.keyId}`
        : `${signer.publisher}  ${signer.identity} of ${signer.issuer}${describeRepository(signer.repositoryId)}`,
    ),
  ].join("\n");
}

function describeRepository(id: string | undefined): string {
  return id === undefined ? "" : `, repository ${id}`;
}

/**
 * @returns SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it
 * @throws SondeError CONFIG_INVALID
 */
export function fingerprintOf(certificate: string): string {
  try {
    return `SHA-256 ${new X509Certificate(certificate).fingerprint256}`;
  } catch (cause) {
    throw new SondeError("CONFIG_INVALID", "expected a certificate in PEM as registryCa", {
      cause,
    });
  }
}
