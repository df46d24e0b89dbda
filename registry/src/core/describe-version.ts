import { type Manifest } from "@sonde/schemas/manifest";
import { type PublishedVersion, type VersionDetails } from "@sonde/schemas/registry";
import { type Signer, describeSigner } from "@sonde/schemas/trust";
import { diffPermissions } from "@sonde/trust/pack";
import { deriveReach, describePermissions, describeProbes } from "@sonde/sources";

/**
 * Describes a version for people, in words.
 *
 * @param before the manifest of the version before it; null for the first
 */
export function describeVersion(
  published: PublishedVersion,
  before: Manifest | null,
  readmeHtml: string,
  pack: Pick<VersionDetails, "latest" | "downloads" | "warnings" | "trust">,
): VersionDetails {
  const { manifest, signer } = published;
  return {
    name: published.name,
    version: published.version,
    latest: pack.latest,
    digest: published.digest,
    sizeBytes: published.sizeBytes,
    publishedAt: published.publishedAt,
    logIndex: published.logIndex,
    state: published.state,
    deprecated: published.deprecated,
    advisories: published.advisories,
    description: manifest.description,
    license: manifest.license,
    repository: manifest.repository,
    agents: manifest.engines.agent,
    signer,
    signedBy: describeSigner(signer),
    provenance: describeProvenance(signer),
    trust: pack.trust,
    warnings: pack.warnings,
    reach: deriveReach(manifest),
    permissions: describePermissions(manifest),
    changes: describeChanges(before, manifest),
    probes: describeProbes(manifest),
    readmeHtml,
    downloads: pack.downloads,
  };
}

function describeChanges(before: Manifest | null, after: Manifest): VersionDetails["changes"] {
  if (before === null) return null;
  const { added, removed, wider, probes } = diffPermissions(before, after);
  const { raised, changed } = probes;
  return { from: before.version, added, removed, wider, raised, changed };
}

function describeProvenance(signer: Signer): string {
  switch (signer.kind) {
    case "rsa-sha256":
      return "The signature proves who published these bytes. It says nothing of how they were built.";
    case "keyless":
      return `${signer.issuer} vouched for ${signer.identity} at the moment of signing; there is no key that could be lost.`;
    case "none":
      return "Nothing proves where these bytes come from.";
  }
}
