import type { Digest } from "@sonde/schemas/names";
import type { CheckedPack, SignerPolicy, TrustedIdentity, TrustedRoot } from "@sonde/schemas/trust";
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
 * Reads and verifies both files outside of this process.
 *
 * @param request paths of the files, the archive's digest, and who may sign
 * @returns what that archive is, signed by somebody of the policy
 * @throws SondeError what the upload was refused for, CHECK_FAILED when that is not known
 */
export type CheckUpload = (request: {
  archive: { path: string; digest: Digest };
  bundle: string;
  policy: SignerPolicy;
}) => Promise<CheckedPack>;

/**
 * Steps 2 to 6: archive, digests, signature by a key or identity of that publisher, manifest,
 * reads and code; by the same verifier that agents use.
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
