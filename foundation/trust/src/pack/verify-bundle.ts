import { BUNDLE_V03_MEDIA_TYPE, type Bundle, bundleFromJSON } from "@sigstore/bundle";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { type SignerPolicy } from "@sonde/schemas/trust";
import { rejectingThrows } from "./rejecting-throws.ts";
import { MAX_BUNDLE_BYTES, STATEMENT_PAYLOAD_TYPE } from "./statement.ts";
import { type KeylessSignature, verifyKeyless } from "./verify-keyless.ts";
import { type ManagedKeySignature, verifyManagedKey } from "./verify-managed-key.ts";

/** A verified signature. Whether it counts for the publisher is not known yet. */
export type VerifiedSignature = ManagedKeySignature | KeylessSignature;

/**
 * Verifies a Sigstore bundle v0.3 with a DSSE envelope over an in-toto statement. A key must be one
 * of the policy's, and a certificate must verify against the policy's pinned root. `demandTrusted`
 * decides whether this signer may sign for the publisher, and the caller what the statement must
 * say: it is not parsed.
 *
 * @throws SondeError SIGNATURE_INVALID, SIGNER_UNTRUSTED or CONFIG_INVALID
 */
export function verifyBundle(
  bundleText: string,
  policy: SignerPolicy,
): { signature: VerifiedSignature; statement: unknown } {
  const bundle = readBundle(bundleText);
  const signature = verifyMaterial(bundle, policy);
  return { signature, statement: readStatement(bundle) };
}

/** @throws SondeError SIGNATURE_INVALID */
export function readBundle(text: string): Bundle {
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

/**
 * DSSE proves only who signed the payload. What it says is not parsed here.
 *
 * @throws SondeError SIGNATURE_INVALID
 */
export function readStatement(bundle: Bundle): unknown {
  if (bundle.content.$case !== "dsseEnvelope") throw invalid("expected a DSSE envelope");
  const { payloadType, payload } = bundle.content.dsseEnvelope;
  if (payloadType !== STATEMENT_PAYLOAD_TYPE) {
    throw invalid(`expected payload type ${STATEMENT_PAYLOAD_TYPE}`);
  }
  return parseJson(payload, "signed statement", "SIGNATURE_INVALID");
}

function invalid(sentence: string): SondeError {
  return new SondeError("SIGNATURE_INVALID", `bundle: ${sentence}, got another`);
}
