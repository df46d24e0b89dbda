import { toSignedEntity } from "@sigstore/verify";
import { SondeError } from "@sonde/schemas/errors";
import { Digest } from "@sonde/schemas/names";
import { buildParser } from "@sonde/schemas/parse";
import { type SignerPolicy, parsePackStatement } from "@sonde/schemas/trust";
import { type CertificateIdentity, readClaimedIdentity } from "./read-certificate-identity.ts";
import { rejectingThrows } from "./rejecting-throws.ts";
import { buildStatement } from "./statement.ts";
import {
  readBundle,
  readStatement,
  type VerifiedSignature,
  verifyBundle,
} from "./verify-bundle.ts";
import { type ManagedKeySignature } from "./verify-managed-key.ts";

/**
 * Verifies the bundle of an archive, whose statement has these two digests. Does not read the
 * archive itself. `demandTrusted` decides whether this signer may sign for the publisher.
 *
 * @throws SondeError SIGNATURE_INVALID, SIGNER_UNTRUSTED, DIGEST_MISMATCH or
 *   CONFIG_INVALID
 */
export function verifySignature(
  bundleText: string,
  archive: Digest,
  content: Digest,
  policy: SignerPolicy,
): VerifiedSignature {
  const { signature, statement } = verifyBundle(bundleText, policy);
  checkStatement(statement, archive, content);
  return signature;
}

/** Who a bundle says signed it. Neither the signature nor a certificate is checked. */
export type SignatureClaim = ManagedKeySignature | ({ kind: "keyless" } & CertificateIdentity);

/**
 * Reads who a bundle says signed an archive with these digests. Checks that the bundle is
 * well formed and about these digests, but nothing that needs a policy.
 *
 * @throws SondeError SIGNATURE_INVALID or DIGEST_MISMATCH
 */
export function readSignatureClaim(
  bundleText: string,
  archive: Digest,
  content: Digest,
): SignatureClaim {
  const bundle = readBundle(bundleText);
  checkStatement(readStatement(bundle), archive, content);
  const { key } = rejectingThrows(() => toSignedEntity(bundle));
  if (key.$case === "certificate") {
    return { kind: "keyless", ...rejectingThrows(() => readClaimedIdentity(key.certificate)) };
  }
  return { kind: "rsa-sha256", keyId: parseKeyId(key.hint) };
}

const parseKeyId = buildParser(Digest, "bundle: key id", "SIGNATURE_INVALID");

function checkStatement(value: unknown, archive: Digest, content: Digest): void {
  const statement = parsePackStatement(value);
  const expected = buildStatement(archive, content);
  for (const index of [0, 1] as const) {
    const { name, digest } = expected.subject[index];
    const signed = statement.subject[index].digest.sha256;
    if (signed !== digest.sha256) {
      throw new SondeError(
        "DIGEST_MISMATCH",
        `${name}: expected the signed sha256:${signed}, got sha256:${digest.sha256}`,
      );
    }
  }
}
