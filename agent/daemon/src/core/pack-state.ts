import type { GrantFile } from "@sonde/schemas/agent";
import type { Capability, Digest, Version } from "@sonde/schemas/names";
import type { Failure } from "@sonde/schemas/reads";
import type { AdmittedPack } from "@sonde/schemas/trust";
import type { PackState } from "@sonde/schemas/wire";
import semver from "semver";
import { existingProbes, isNothing, listRequirements, missingRequirements } from "./grants.ts";

/** One version of a pack on this host, and where it stands. */
export type PackVersion = {
  version: Version;
  digest: Digest;
  state: PackState;
  reason: Failure | null;
  /** Null until verified, or when the stored files are no longer what was verified. */
  admitted: AdmittedPack | null;
};

/**
 * A pack has at most one version in service and one that wants to be. The one
 * in service keeps serving while the candidate is held; when its grant is gone
 * it stays in `current`, revoked, so that approving again brings it back.
 */
export type Pack = {
  name: string;
  current: PackVersion | null;
  candidate: PackVersion | null;
};

/** What decides besides the pack itself. */
export type HostRules = {
  maxCapability: Capability;
  /** True when a runner with exactly these groups is there. */
  hasRunner: (groups: readonly string[]) => boolean;
  /** Why an approval of this pack that may well be there does not count; null when there is none. */
  whyRefused: (pack: string) => string | null;
  /** Why the registry's log says that this version must not serve; null when it does not. */
  whyStopped: (pack: string, version: Version) => string | null;
  /** The version that served last, now or before the pack was removed; null when none did. */
  floorOf: (pack: string) => Version | null;
};

/** Moves each version of a pack to the state that its grant and the host allow. */
export function judgePack(pack: Pack, grant: GrantFile | null, host: HostRules): Pack {
  const candidate = pack.candidate === null ? null : judge(pack.candidate, grant, host, "pending");
  if (candidate?.state === "active") return { ...pack, current: candidate, candidate: null };
  const current = pack.current === null ? null : judge(pack.current, grant, host, "revoked");
  return { ...pack, current, candidate };
}

/** @param withoutGrant a version never approved is pending, one that served is revoked */
function judge(
  version: PackVersion,
  grant: GrantFile | null,
  host: HostRules,
  withoutGrant: "pending" | "revoked",
): PackVersion {
  const { admitted } = version;
  if (admitted === null) return version;
  const { requires, name } = admitted.manifest;
  const stopped = host.whyStopped(name, version.version);
  if (stopped !== null) return become(version, "quarantined", "PACK_QUARANTINED", stopped);
  const approve = `sonde agent approve ${name}`;
  const refused = host.whyRefused(name);
  if (grant === null && refused !== null) {
    const why = `its approval could not be read: ${refused}`.slice(0, 1500);
    return become(version, withoutGrant, "PERMISSION_NEEDED", `${why}; or run: ${approve}`);
  }
  if (grant === null) {
    return become(version, withoutGrant, "PACK_NOT_ACTIVE", `not approved; run: ${approve}`);
  }
  const floor = host.floorOf(name);
  // Attack 44. Going back is for a person on the host, with that archive on screen.
  if (floor !== null && semver.lt(version.version, floor) && grant.digest !== version.digest) {
    const why = `older than ${floor}, which served last; run: ${approve}`;
    return become(version, "held", "PACK_DOWNGRADE", why);
  }
  const missing = missingRequirements(requires, grant.requires);
  if (!isNothing(missing)) {
    const asked = listRequirements(missing).slice(0, 1500);
    return become(
      version,
      "held",
      "READ_NOT_GRANTED",
      `asks for more than was approved: ${asked}; run: ${approve}`,
    );
  }
  if (existingProbes(admitted.manifest, grant.requires, host.maxCapability).length === 0) {
    const why = `every probe is above this host's ceiling, ${host.maxCapability}`;
    return become(version, "failed", "CAPABILITY_ABOVE_CEILING", why);
  }
  // Only to begin: a runner that restarts must not take the tools away.
  if (version.state !== "active" && !hasRunnerFor(requires.groups, host)) {
    const why = `no runner is in ${requires.groups.map((group) => `group ${group}`).join(", ")}`;
    return become(version, "pending", "PERMISSION_NEEDED", why);
  }
  return { ...version, state: "active", reason: null };
}

export function hasRunnerFor(
  groups: readonly string[],
  host: Pick<HostRules, "hasRunner">,
): boolean {
  return groups.length === 0 || host.hasRunner(groups);
}

function become(
  version: PackVersion,
  state: PackState,
  code: Failure["code"],
  message: string,
): PackVersion {
  return { ...version, state, reason: { code, message } };
}
