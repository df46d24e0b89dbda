import type { SignerPolicy } from "@sonde/schemas";
import { type VerifiedPack, verifyPack } from "@sonde/trust/pack";
import type { Submission } from "./submission.ts";

/**
 * Step 5: digests, signature by a key of that publisher, static look at the
 * code; by the same verifier that agents use.
 */
export async function checkSignature(
  submission: Submission,
  publisherKeys: readonly string[],
): Promise<VerifiedPack> {
  const keys = publisherKeys.map((publicKey) => ({ algorithm: "rsa-sha256" as const, publicKey }));
  const policy: SignerPolicy = {
    publishers: { [submission.publisher]: { keys, identities: [] } },
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
