import type { Version } from "@sonde/schemas/names";
import type { PackLife } from "@sonde/schemas/registry";
import semver from "semver";
import { stateOf } from "./pack-life.ts";

/** Sorts by semantic version, newest first, whatever the dates of publishing. */
export function newestFirst<V extends { version: Version }>(versions: readonly V[]): V[] {
  return versions.toSorted((a, b) => semver.rcompare(a.version, b.version));
}

/**
 * Returns the version that people are pointed to: the highest release that is neither yanked nor
 * quarantined. A pre-release counts only where no release is left.
 *
 * @returns null when every version was withdrawn
 */
export function findLatest(
  versions: readonly { version: Version }[],
  life: PackLife,
): Version | null {
  const standing = newestFirst(versions).filter(({ version }) => {
    const { yanked, quarantined } = stateOf(life, version);
    return yanked === null && quarantined === null;
  });
  const release = standing.find(({ version }) => semver.prerelease(version) === null);
  return (release ?? standing[0])?.version ?? null;
}
