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

// The last root, parsed: policies come anew with each request, the root in them is the same.
let known: { text: string; material: TrustMaterial } | null = null;

/**
 * Verifies a signature by a short-lived certificate, offline against the root
 * that the policy pins: the certificate's chain and its place in a certificate
 * transparency log, the signature's place in a transparency log, and the time
 * it was made by a timestamp authority, when the certificate was valid. Says
 * who signed, not whether that is anybody the policy lists.
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
  // The verifier would count the time that a log of the first kind wrote beside its entry.
  if (times.length === 0) {
    throw new SondeError("SIGNATURE_INVALID", "bundle: expected an RFC 3161 timestamp, got none");
  }
  const signed = rejectingThrows(() => times.map(({ signingTime }) => signingTime.getTime()));
  const verifier = new Verifier(
    // It asks a log's key whether it is the right one, never whether it still was: we do.
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

/** This path takes certificates only: a managed key verifies in its own. */
function noManagedKey(): never {
  throw new SondeError("SIGNATURE_INVALID", "bundle: expected a certificate, got a managed key");
}
