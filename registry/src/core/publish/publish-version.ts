import { type Capability, type Digest, type PublishedVersion, SondeError } from "@sonde/schemas";
import { capSize } from "./cap-size.ts";
import { checkCapability } from "./check-capability.ts";
import { checkRights } from "./check-rights.ts";
import { checkSignature } from "./check-signature.ts";
import { readFiles, readManifest, readReadme } from "./read-manifest.ts";
import type { Submission } from "./submission.ts";

/** What publishing needs of the world. */
export type PublishPorts = {
  maxCapability: Capability;
  now: () => Date;
  /** Public keys (PEM) of a publisher. */
  publisherKeys(publisher: string): Promise<string[]>;
  findVersion(name: string, version: string): Promise<PublishedVersion | null>;
  /** Durable when it resolves; the same bytes twice are one blob. */
  saveBlob(digest: Digest, bytes: Uint8Array): Promise<void>;
  removeBlob(digest: Digest): Promise<void>;
  /**
   * Appends to the transparency log and makes the version visible, both or
   * neither; null when one is there, so of two at once exactly one wins.
   *
   * @param readme Markdown, by whose words the pack is found
   */
  insertVersion(
    version: Omit<PublishedVersion, "logIndex">,
    bundle: string,
    readme: string,
  ): Promise<PublishedVersion | null>;
};

/**
 * Publishes one version: every step passes, or nothing is kept and nothing is
 * visible. The same bytes again give the same answer; a version never changes.
 *
 * @returns the version and whether this call made it
 * @throws SondeError of the step that refused, VERSION_EXISTS for other bytes
 */
export async function publishVersion(
  ports: PublishPorts,
  submission: Submission,
): Promise<{ published: PublishedVersion; created: boolean }> {
  capSize(submission);
  const manifest = readManifest(readFiles(submission));
  checkRights(submission, manifest);
  const pack = await checkSignature(submission, await ports.publisherKeys(submission.publisher));
  checkCapability(pack.manifest, ports.maxCapability);
  const { name, version } = submission;
  const before = await ports.findVersion(name, version);
  if (before !== null) return { published: demandSame(before, pack.digest), created: false };
  const accepted = {
    name,
    version,
    digest: pack.digest,
    contentDigest: pack.contentDigest,
    sizeBytes: submission.archive.length,
    publishedAt: ports.now().toISOString(),
    signer: pack.signer,
    manifest: pack.manifest,
  };
  await ports.saveBlob(pack.digest, submission.archive);
  const published = await ports.insertVersion(accepted, submission.bundle, readReadme(pack.files));
  if (published !== null) return { published, created: true };
  const winner = await ports.findVersion(name, version);
  if (winner === null) throw new SondeError("INTERNAL", "expected the version that won, got none");
  // Nobody else's blob: a digest covers name and version, and that version is another's.
  if (winner.digest !== pack.digest) await ports.removeBlob(pack.digest);
  return { published: demandSame(winner, pack.digest), created: false };
}

function demandSame(present: PublishedVersion, digest: Digest): PublishedVersion {
  if (present.digest === digest) return present;
  throw new SondeError(
    "VERSION_EXISTS",
    `${present.name} ${present.version}: expected ${present.digest}, got ${digest}`,
  );
}
