import { BUNDLE_V03_MEDIA_TYPE, type Bundle, bundleFromJSON } from "@sigstore/bundle";
import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import { type SignerPolicy, parsePackStatement } from "@sonde/schemas/trust";
import { rejectingThrows } from "./rejecting-throws.ts";
import { MAX_BUNDLE_BYTES, STATEMENT_PAYLOAD_TYPE, buildStatement } from "./statement.ts";
import { type KeylessSignature, verifyKeyless } from "./verify-keyless.ts";
import { type ManagedKeySignature, verifyManagedKey } from "./verify-managed-key.ts";

/** A verified signature. Whether it counts for the publisher is not known yet. */
export type VerifiedSignature = ManagedKeySignature | KeylessSignature;

/**
 * Verifies the bundle of an archive: a Sigstore bundle v0.3 with a DSSE envelope over an
 * in-toto statement, whose two subjects are these digests. Does not read the archive
 * itself. A key must be one of the policy's, and a certificate must verify against the
 * policy's pinned root. `demandTrusted` decides whether this signer may sign for the
 * publisher.
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
  const bundle = readBundle(bundleText);
  const signature = verifyMaterial(bundle, policy);
  checkStatement(bundle, archive, content);
  return signature;
}

function readBundle(text: string): Bundle {
  if (Buffer.byteLength(text, "utf8") > MAX_BUNDLE_BYTES) {
    throw invalid(`expected at most ${MAX_BUNDLE_BYTES} bytes`);
  }
  const bundle = rejectingThrows(() =>
    bundleFromJSON(parseJson(text, "bundle", "SIGNATURE_INVALID")),
  );
  // Older bundle versions may prove a log entry by a promise alone.
  if (bundle.mediaType !== BUNDLE_V03_MEDIA_TYPE) {
    throw invalid(`expected ${BUNDLE_V03_MEDIA_TYPE}`);
  }
  return bundle;
}

function verifyMaterial(bundle: Bundle, policy: SignerPolicy): VerifiedSignature {
  const { content } = bundle.verificationMaterial;
  switch (content.$case) {
    case "publicKey":
      return verifyManagedKey(bundle, content.publicKey.hint, policy);
    case "certificate":
      return verifyKeyless(bundle, policy);
    case "x509CertificateChain":
      throw invalid("expected one certificate or a key's id");
  }
}

/** DSSE proves only who signed the payload. This function checks what the payload says. */
function checkStatement(bundle: Bundle, archive: Digest, content: Digest): void {
  if (bundle.content.$case !== "dsseEnvelope") throw invalid("expected a DSSE envelope");
  const { payloadType, payload } = bundle.content.dsseEnvelope;
  if (payloadType !== STATEMENT_PAYLOAD_TYPE) {
    throw invalid(`expected payload type ${STATEMENT_PAYLOAD_TYPE}`);
  }
  const statement = parsePackStatement(parseJson(payload, "signed statement", "SIGNATURE_INVALID"));
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

function invalid(sentence: string): SondeError {
  return new SondeError("SIGNATURE_INVALID", `bundle: ${sentence}, got another`);
}
