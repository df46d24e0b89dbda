import type { PackVersions, PackLife, PublishedVersion } from "@sonde/schemas/registry";
import { findLatest } from "./order-versions.ts";
import { advisoriesOf, stateOf } from "./pack-life.ts";

/** What of a version never changes. */
export type StoredVersion = Omit<PublishedVersion, "state" | "deprecated" | "advisories">;

/** A version that passed every step, before it is in the log. */
export type AcceptedVersion = Omit<StoredVersion, "logIndex">;

/** What lists show of a version. */
export type ListedVersion = Pick<StoredVersion, "version" | "digest" | "publishedAt" | "signer">;

/** The version as it is answered: what never changes, and what was said about it since. */
export function withLife(stored: StoredVersion, life: PackLife): PublishedVersion {
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
  versions: readonly ListedVersion[],
  life: PackLife,
): PackVersions {
  return {
    name,
    latest: findLatest(versions, life),
    deprecated: life.deprecated,
    advisories: life.advisories,
    versions: versions.map((listed) => ({ ...listed, state: stateOf(life, listed.version) })),
  };
}
