import type { Version } from "@sonde/schemas";
import semver from "semver";

/** Newest first, by semantic version, whenever each was published. */
export function newestFirst<V extends { version: Version }>(versions: readonly V[]): V[] {
  return versions.toSorted((a, b) => semver.rcompare(a.version, b.version));
}

/** Whether a version takes the place of the latest: a pre-release only before any release. */
export function isNewLatest(version: Version, latest: Version | null): boolean {
  if (latest === null) return true;
  const isRelease = semver.prerelease(version) === null;
  const wasRelease = semver.prerelease(latest) === null;
  return isRelease === wasRelease ? semver.gt(version, latest) : isRelease;
}
