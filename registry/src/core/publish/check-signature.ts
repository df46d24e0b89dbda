import type { SignerPolicy, TrustedIdentity, TrustedRoot } from "@sonde/schemas";
import { type VerifiedPack, verifyPack } from "@sonde/trust/pack";
import type { Submission } from "./submission.ts";

/** Who may sign for a publisher here. */
export type PublisherSigners = {
  /** Public keys in PEM. */
  keys: readonly string[];
  identities: readonly TrustedIdentity[];
  /** Against what an identity's certificate is verified; without it no identity counts. */
  trustedRoot: TrustedRoot | undefined;
};

/**
 * Step 5: digests, signature by a key or identity of that publisher, static look at the
 * code; by the same verifier that agents use.
 */
export async function checkSignature(
  submission: Submission,
  signers: PublisherSigners,
): Promise<VerifiedPack> {
  const { identities, trustedRoot } = signers;
  const keys = signers.keys.map((publicKey) => ({ algorithm: "rsa-sha256" as const, publicKey }));
  const policy: SignerPolicy = {
    publishers: { [submission.publisher]: { keys, identities: [...identities] } },
    ...(trustedRoot !== undefined && { trustedRoot }),
    allowUnsignedPacks: false,
  };
  return await verifyPack({
    archive: submission.archive,
    bundle: submission.bundle,
    policy,
    origin: "registry",
    expected: { name: submission.name, version: submission.version },
  });
}
