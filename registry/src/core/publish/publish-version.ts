import { SondeError } from "@sonde/schemas/errors";
import { type Capability, type Digest } from "@sonde/schemas/names";
import { PUBLISH_STEPS, type PublishCheck } from "@sonde/schemas/registry";
import { type TrustedIdentity, type TrustedRoot } from "@sonde/schemas/trust";
import { demandOwnReadme } from "@sonde/trust/archive";
import type { Principal } from "../authorize.ts";
import type { AcceptedVersion, StoredVersion } from "../stored-version.ts";
import { capSize } from "./cap-size.ts";
import { type CheckUpload, checkArchive } from "./check-archive.ts";
import { checkCapability } from "./check-capability.ts";
import { type NamePorts, checkName } from "./check-name.ts";
import { checkRights } from "./check-rights.ts";
import type { Submission } from "./submission.ts";

/** Every step of a publish after the upload: the checks, then the writes. */
export const PIPELINE = [...PUBLISH_STEPS, "blob", "log"] as const;

/** What publishing needs from outside. */
export type PublishPorts = NamePorts & {
  maxCapability: Capability;
  now: () => Date;
  /** Public keys (PEM) of a publisher. */
  publisherKeys(publisher: string): Promise<string[]>;
  publisherIdentities(publisher: string): Promise<TrustedIdentity[]>;
  /** For verifying keyless signatures. Without it none is accepted. */
  trustedRoot: TrustedRoot | undefined;
  checkUpload: CheckUpload;
  findVersion(name: string, version: string): Promise<StoredVersion | null>;
  /**
   * Stores the file's bytes; durable when it resolves. Storing the same bytes again is idempotent.
   */
  keepBlob(digest: Digest, path: string): Promise<void>;
  removeBlob(digest: Digest): Promise<void>;
  /**
   * Appends to the transparency log and makes the version visible, atomically. Of concurrent
   * publishes of one version exactly one succeeds; the others get null.
   *
   * @param readme Markdown that the search indexes
   * @throws SondeError UNAUTHENTICATED or SIGNER_UNTRUSTED when the caller's token, or the signer's
   *   key, ended while the upload came or was checked
   */
  insertVersion(
    version: AcceptedVersion,
    files: { bundle: string; readme: string },
    caller: Principal,
  ): Promise<StoredVersion | null>;
};

/**
 * Publishes one version: either every step passes, or nothing is stored and visible. Idempotent for
 * the same bytes; a version never changes.
 *
 * @returns the version, and whether this call created it
 * @throws SondeError of the step that refused, or VERSION_EXISTS for other bytes
 */
export async function publishVersion(
  ports: PublishPorts,
  submission: Submission,
): Promise<{ published: StoredVersion; created: boolean }> {
  capSize(submission);
  const { name, version, publisher, archive, bundle } = submission;
  const pack = await checkArchive(ports.checkUpload, submission, {
    keys: await ports.publisherKeys(publisher),
    identities: await ports.publisherIdentities(publisher),
    trustedRoot: ports.trustedRoot,
  });
  checkRights(submission, pack.manifest);
  checkCapability(pack.manifest, ports.maxCapability);
  const before = await ports.findVersion(name, version);
  if (before !== null) return { published: demandSame(before, pack.digest), created: false };
  // Last of the checks of the archive: a version that was published stays published.
  demandOwnReadme(pack.readme);
  const { outcome, warnings } = await checkName(ports, name);
  const accepted = {
    name,
    version,
    digest: pack.digest,
    contentDigest: pack.contentDigest,
    sizeBytes: archive.sizeBytes,
    publishedAt: ports.now().toISOString(),
    signer: pack.signer,
    manifest: pack.manifest,
    // A failed step throws, so every step here has passed. Only the name check may not apply: a
    // known pack needs none.
    checks: PUBLISH_STEPS.map(
      (step): PublishCheck => ({ step, outcome: step === "name" ? outcome : "passed" }),
    ),
    warnings,
  };
  await ports.keepBlob(pack.digest, archive.path);
  const published = await ports
    .insertVersion(accepted, { bundle: bundle.text, readme: pack.readme }, submission.caller)
    .catch(async (thrown: unknown) => {
      // A look-alike was published first. The digest covers the name, so no other version has this
      // blob. After any other refusal it stays: the same archive may just be published by a caller
      // whose rights go on.
      const isRefused = thrown instanceof SondeError && thrown.code === "NAME_REFUSED";
      if (isRefused) await ports.removeBlob(pack.digest);
      throw thrown;
    });
  if (published !== null) return { published, created: true };
  const winner = await ports.findVersion(name, version);
  if (winner === null) throw new SondeError("INTERNAL", "expected the version that won, got none");
  // Another archive won. The digest covers name and version, so no other version has this blob.
  if (winner.digest !== pack.digest) await ports.removeBlob(pack.digest);
  return { published: demandSame(winner, pack.digest), created: false };
}

function demandSame(present: StoredVersion, digest: Digest): StoredVersion {
  if (present.digest === digest) return present;
  throw new SondeError(
    "VERSION_EXISTS",
    `${present.name} ${present.version}: expected ${present.digest}, got ${digest}`,
  );
}
