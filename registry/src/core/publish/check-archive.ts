import type { Digest } from "@sonde/schemas/names";
import type { CheckedPack, SignerPolicy, TrustedIdentity, TrustedRoot } from "@sonde/schemas/trust";
import type { Submission } from "./submission.ts";

/** The signers that this registry accepts for a publisher. */
export type PublisherSigners = {
  /** Public keys in PEM. */
  keys: readonly string[];
  identities: readonly TrustedIdentity[];
  /**
   * Sigstore's trusted root, for certificates of identities. Without it no identity is accepted.
   */
  trustedRoot: TrustedRoot | undefined;
};

/**
 * Reads and verifies both files in another process.
 *
 * @param request paths of the files, the archive's digest, and who may sign
 * @returns the archive's content, signed by a signer of the policy
 * @throws SondeError the code of the refusal, or CHECK_FAILED when the check itself failed
 */
export type CheckUpload = (request: {
  archive: { path: string; digest: Digest };
  bundle: string;
  policy: SignerPolicy;
}) => Promise<CheckedPack>;

/**
 * Steps 2 to 6: archive, digests, signature by a key or identity of the publisher, manifest, reads
 * and code. Agents use the same verifier.
 */
export async function checkArchive(
  check: CheckUpload,
  { archive, bundle, publisher }: Submission,
  signers: PublisherSigners,
): Promise<CheckedPack> {
  const { identities, trustedRoot } = signers;
  const keys = signers.keys.map((publicKey) => ({ algorithm: "rsa-sha256" as const, publicKey }));
  const policy: SignerPolicy = {
    publishers: { [publisher]: { keys, identities: [...identities] } },
    ...(trustedRoot !== undefined && { trustedRoot }),
    allowUnsignedPacks: false,
  };
  return await check({ archive, bundle: bundle.path, policy });
}
