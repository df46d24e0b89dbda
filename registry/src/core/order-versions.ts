import { SondeError, type Version } from "@sonde/schemas";
import semver from "semver";

/** Newest first, by semantic version, whenever each was published. */
export function newestFirst<V extends { version: Version }>(versions: readonly V[]): V[] {
  return versions.toSorted((a, b) => semver.rcompare(a.version, b.version));
}

/** The newest version; a pre-release only where there is nothing else. */
export function pickLatest<V extends { version: Version }>(versions: readonly V[]): V {
  const ordered = newestFirst(versions);
  const latest = ordered.find(({ version }) => semver.prerelease(version) === null) ?? ordered[0];
  if (latest === undefined) throw new SondeError("NOT_FOUND", "expected a version, got none");
  return latest;
}
