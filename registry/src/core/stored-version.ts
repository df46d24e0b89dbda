import type { PackVersions, PackLife, PublishedVersion } from "@sonde/schemas";
import { advisoriesOf, stateOf } from "./pack-life.ts";

/** What of a version never changes. */
export type StoredVersion = Omit<PublishedVersion, "state" | "deprecated" | "advisories">;

/** A version that passed every step, before it is in the log. */
export type AcceptedVersion = Omit<StoredVersion, "logIndex">;

/** The version as it is answered: what never changes, and what was said about it since. */
export function describeVersion(stored: StoredVersion, life: PackLife): PublishedVersion {
  return {
    ...stored,
    state: stateOf(life, stored.version),
    deprecated: life.deprecated,
    advisories: advisoriesOf(life, stored.version),
  };
}

/** @param versions in the order to be shown */
export function describePack(
  name: string,
  versions: readonly StoredVersion[],
  life: PackLife,
): PackVersions {
  return {
    name,
    deprecated: life.deprecated,
    advisories: life.advisories,
    versions: versions.map(({ version, digest, publishedAt, signer }) => ({
      version,
      digest,
      publishedAt,
      signer,
      state: stateOf(life, version),
    })),
  };
}
