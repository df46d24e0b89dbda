import type { Bundle } from "@sigstore/bundle";
import { TrustedRoot as RootReader } from "@sigstore/protobuf-specs";
import { type TrustMaterial, Verifier, toSignedEntity, toTrustMaterial } from "@sigstore/verify";
import { SondeError } from "@sonde/schemas/errors";
import { type SignerPolicy, type TrustedRoot } from "@sonde/schemas/trust";
import { noTrustedRoot } from "./demand-trusted.ts";
import { encodeOnce } from "./encode-once.ts";
import { type CertificateIdentity, readCertificateIdentity } from "./read-certificate-identity.ts";
import { rejectingThrows } from "./rejecting-throws.ts";

/** Who signed, and when a timestamp authority saw the signature. */
export type KeylessSignature = CertificateIdentity & { kind: "keyless"; signedAt: string };

// Cache of the last parsed root. Each request brings its policy, and most policies have
// the same root.
let known: { text: string; material: TrustMaterial } | null = null;

/**
 * Verifies a signature by a short-lived certificate, offline, against the policy's pinned
 * root. Verifies the certificate's chain, its entry in a certificate transparency log,
 * the signature's entry in a transparency log, and an RFC 3161 timestamp within the
 * certificate's lifetime. Says who signed, but not whether the policy lists that signer.
 *
 * @throws SondeError SIGNATURE_INVALID, SIGNER_UNTRUSTED without a pinned root
 */
export function verifyKeyless(bundle: Bundle, policy: SignerPolicy): KeylessSignature {
  if (policy.trustedRoot === undefined) throw noTrustedRoot();
  const trust = readRoot(policy.trustedRoot);
  const entity = rejectingThrows(() => toSignedEntity(bundle));
  if (entity.key.$case === "certificate") encodeOnce(entity.key.certificate);
  const times = entity.timestamps.flatMap((timestamp) =>
    timestamp.$case === "timestamp-authority" ? [timestamp.timestamp] : [],
  );
  // Without this check the library would accept the time in a Rekor v1 entry instead of a
  // timestamp.
  if (times.length === 0) {
    throw new SondeError("SIGNATURE_INVALID", "bundle: expected an RFC 3161 timestamp, got none");
  }
  const signed = rejectingThrows(() => times.map(({ signingTime }) => signingTime.getTime()));
  const verifier = new Verifier(
    // The library does not check a log key's validity period, so logs outside it are removed here.
    { ...trust, tlogs: trust.tlogs.filter(({ validFor }) => signed.every(isWithin(validFor))) },
    { tlogThreshold: 1, ctlogThreshold: 1, timestampThreshold: 1 },
  );
  const signer = rejectingThrows(() => verifier.verify(entity));
  return {
    kind: "keyless",
    ...readCertificateIdentity(signer),
    signedAt: new Date(Math.min(...signed)).toISOString(),
  };
}

const isWithin =
  ({ start, end }: { start: Date; end: Date }) =>
  (time: number): boolean =>
    start.getTime() <= time && time <= end.getTime();

function readRoot(root: TrustedRoot): TrustMaterial {
  const text = JSON.stringify(root);
  if (known?.text !== text) known = { text, material: parseRoot(root) };
  return known.material;
}

function parseRoot(root: TrustedRoot): TrustMaterial {
  try {
    const material = toTrustMaterial(RootReader.fromJSON(root), noManagedKey);
    const authorities = [...material.certificateAuthorities, ...material.timestampAuthorities];
    for (const { certChain } of authorities) certChain.forEach(encodeOnce);
    return material;
  } catch (cause) {
    throw new SondeError(
      "CONFIG_INVALID",
      "trusted root: expected readable keys and certificates",
      {
        cause,
      },
    );
  }
}

/** This function takes certificates only. verifyManagedKey handles managed keys. */
function noManagedKey(): never {
  throw new SondeError("SIGNATURE_INVALID", "bundle: expected a certificate, got a managed key");
}
