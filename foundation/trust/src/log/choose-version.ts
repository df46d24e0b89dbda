import { SondeError } from "@sonde/schemas/errors";
import { type Version } from "@sonde/schemas/names";
import { type PublishEntry, type RegistryEntry } from "@sonde/schemas/registry";
import semver from "semver";
import { isStopEntry, whyStopped } from "./withdrawals.ts";

/**
 * Chooses the version of one pack for a range and an agent, from the registry's log
 * alone. So no registry can hide a newer version or a withdrawal. An exact version may be
 * yanked; a range never selects a withdrawn one. Pre-releases follow semver: a range
 * selects one only if it names a pre-release of the same version.
 *
 * @param entries of this pack, in the order of the log
 * @param wanted an exact version, or a range such as `^1`
 * @param agentVersion null for any agent
 * @throws SondeError NOT_FOUND, BAD_REQUEST, PACK_QUARANTINED, PACK_NEEDS_NEWER_AGENT
 */
export function chooseVersion(
  entries: readonly RegistryEntry[],
  wanted: string,
  agentVersion: Version | null,
): PublishEntry {
  const published = entries.filter((entry) => entry.type === "publish");
  const stops = entries.filter(isStopEntry);
  const yanked = readYanked(entries);
  const range = semver.validRange(wanted);
  if (range === null) {
    throw new SondeError(
      "BAD_REQUEST",
      `expected a version or a range, got ${JSON.stringify(wanted)}`,
    );
  }
  const pinned = semver.valid(wanted);
  const meant = published
    .filter(({ version }) =>
      pinned === null
        ? semver.satisfies(version, range) && !yanked.has(version)
        : version === pinned,
    )
    .toSorted((a, b) => semver.rcompare(a.version, b.version));
  const [newest] = meant;
  if (newest === undefined)
    throw new SondeError("NOT_FOUND", `expected a version ${wanted}, got none`);
  const standing = meant.filter(({ name, version }) => whyStopped(stops, name, version) === null);
  const [best] = standing;
  if (best === undefined) {
    const why = whyStopped(stops, newest.name, newest.version) ?? "";
    throw new SondeError("PACK_QUARANTINED", `${newest.name} ${newest.version}: ${why}`);
  }
  const fitting = standing.find(
    ({ engines }) => agentVersion === null || semver.satisfies(agentVersion, engines.agent),
  );
  if (fitting !== undefined) return fitting;
  throw new SondeError(
    "PACK_NEEDS_NEWER_AGENT",
    `${best.name} ${best.version}: expected an agent ${best.engines.agent}, got ${agentVersion}`,
  );
}

function readYanked(entries: readonly RegistryEntry[]): Set<Version> {
  const yanked = new Set<Version>();
  for (const entry of entries) {
    if (entry.type !== "yank") continue;
    if (entry.yanked) yanked.add(entry.version);
    else yanked.delete(entry.version);
  }
  return yanked;
}

/** Whether a version comes before another one, as semver orders them. */
export function isOlderVersion(version: Version, than: Version): boolean {
  return semver.lt(version, than);
}
