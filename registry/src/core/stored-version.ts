import type { PackVersions, PackLife, PublishedVersion } from "@sonde/schemas/registry";
import { findLatest } from "./order-versions.ts";
import { advisoriesOf, stateOf } from "./pack-life.ts";

/** The immutable part of a version. */
export type StoredVersion = Omit<PublishedVersion, "state" | "deprecated" | "advisories">;

/** A version that passed every step and is not in the log yet. */
export type AcceptedVersion = Omit<StoredVersion, "logIndex">;

/** What lists show of a version. */
export type ListedVersion = Pick<StoredVersion, "version" | "digest" | "publishedAt" | "signer">;

/** Adds the mutable part to a version: its state, deprecation and advisories. */
export function withLife(stored: StoredVersion, life: PackLife): PublishedVersion {
  return {
    ...stored,
    state: stateOf(life, stored.version),
    deprecated: life.deprecated,
    advisories: advisoriesOf(life, stored.version),
  };
}

/** @param versions in display order */
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
