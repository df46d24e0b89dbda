import type { KeyObject } from "node:crypto";
import { BUNDLE_V03_MEDIA_TYPE, type Bundle, bundleFromJSON } from "@sigstore/bundle";
import { Verifier, toSignedEntity } from "@sigstore/verify";
import {
  type Digest,
  type Signer,
  SondeError,
  type SignerPolicy,
  parseJson,
  parsePackStatement,
} from "@sonde/schemas";
import { keyIdOf } from "../envelope/index.ts";
import { parsePublisherKey } from "./publisher-key.ts";
import { STATEMENT_PAYLOAD_TYPE, buildStatement } from "./statement.ts";

/** A bundle above this is refused unread. */
export const MAX_BUNDLE_BYTES = 64 * 1024;

/** A signature that verified, before it is known for which publisher it may count. */
export type VerifiedSignature = { keyId: Digest; publishers: ReadonlySet<string> };

/**
 * Verifies the bundle of an archive: a Sigstore bundle v0.3 with a DSSE
 * envelope over an in-toto statement whose two subjects are these digests.
 * Reads nothing of the archive itself.
 *
 * @throws SondeError SIGNATURE_INVALID, SIGNER_UNTRUSTED, SIGNER_UNSUPPORTED or DIGEST_MISMATCH
 */
export function verifySignature(
  bundleText: string,
  archive: Digest,
  content: Digest,
  policy: SignerPolicy,
): VerifiedSignature {
  const bundle = readBundle(bundleText);
  // Keyless signatures join here: the same Verifier with a pinned trusted root
  // and the policy's identities instead of its keys.
  const signature = verifyByManagedKey(bundle, policy);
  checkStatement(bundle, archive, content);
  return signature;
}

/** How the verifier names a managed key's signer. */
export function buildSigner(signature: VerifiedSignature, publisher: string): Signer {
  return { kind: "rsa-sha256", publisher, keyId: signature.keyId };
}

function readBundle(text: string): Bundle {
  if (Buffer.byteLength(text, "utf8") > MAX_BUNDLE_BYTES) {
    throw invalid(`expected at most ${MAX_BUNDLE_BYTES} bytes`);
  }
  const bundle = rejectingThrows(() =>
    bundleFromJSON(parseJson(text, "bundle", "SIGNATURE_INVALID")),
  );
  if (bundle.mediaType !== BUNDLE_V03_MEDIA_TYPE) {
    throw invalid(`expected ${BUNDLE_V03_MEDIA_TYPE}`);
  }
  return bundle;
}

/** The policy's keys decide this path; the bundle only names one of them. */
function verifyByManagedKey(bundle: Bundle, policy: SignerPolicy): VerifiedSignature {
  const { content } = bundle.verificationMaterial;
  if (content.$case !== "publicKey") {
    throw new SondeError("SIGNER_UNSUPPORTED", "bundle: expected a managed key, got a certificate");
  }
  const keyId = content.publicKey.hint;
  const trusted = findKey(policy, keyId);
  if (trusted === null) {
    throw new SondeError("SIGNER_UNTRUSTED", "bundle: expected a key of the policy, got another");
  }
  const verifier = new Verifier(
    {
      certificateAuthorities: [],
      timestampAuthorities: [],
      tlogs: [],
      ctlogs: [],
      // OpenSSL's default digest for such a key is SHA-256, whatever the bundle says.
      publicKey: () => ({ publicKey: trusted.key, validFor: () => true }),
    },
    // Log entries and timestamps are not asked of a managed key; any that are there must
    // verify, and with no authorities above none can.
    { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 },
  );
  rejectingThrows(() => verifier.verify(toSignedEntity(bundle)));
  return { keyId, publishers: trusted.publishers };
}

/** The key of that id and every publisher that lists it. */
function findKey(
  policy: SignerPolicy,
  keyId: string,
): { key: KeyObject; publishers: ReadonlySet<string> } | null {
  const publishers = new Set<string>();
  let found: KeyObject | null = null;
  for (const [publisher, { keys }] of Object.entries(policy.publishers)) {
    for (const { publicKey } of keys) {
      const key = parsePublisherKey(publicKey);
      if (keyIdOf(key) !== keyId) continue;
      found = key;
      publishers.add(publisher);
    }
  }
  return found === null ? null : { key: found, publishers };
}

/** DSSE says only that the payload was signed: what it means is checked here. */
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

/** Libraries throw TypeError, SyntaxError and OpenSSL errors on bad input: each is a rejection. */
function rejectingThrows<T>(step: () => T): T {
  try {
    return step();
  } catch (cause) {
    throw new SondeError("SIGNATURE_INVALID", "bundle: expected a valid signature, got none", {
      cause,
    });
  }
}

function invalid(sentence: string): SondeError {
  return new SondeError("SIGNATURE_INVALID", `bundle: ${sentence}, got another`);
}
