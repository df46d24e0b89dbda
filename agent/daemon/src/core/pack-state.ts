import type { Digest, Version } from "@sonde/schemas/names";
import type { Failure } from "@sonde/schemas/reads";
import type { AdmittedPack } from "@sonde/schemas/trust";
import type { PackState } from "@sonde/schemas/wire";
import { describeWindow, listItems } from "@sonde/sources";
import semver from "semver";
import type { Ceiling } from "./ceiling.ts";
import {
  type AgentProgram,
  callableProbes,
  describeWithheld,
  type Grant,
  grantedGroups,
  isNothing,
  undecidedRequirements,
  ungrantedWindows,
  withheldRequirements,
} from "./grants.ts";

/** One version of a pack on this host, and its state. */
export type PackVersion = {
  version: Version;
  digest: Digest;
  state: PackState;
  reason: Failure | null;
  /** Null until the archive is verified, or when the stored files have changed since. */
  admitted: AdmittedPack | null;
};

/**
 * A pack has at most one current version and one candidate. The current version keeps
 * serving while the candidate is held. When its grant is removed, the current version
 * stays as revoked, so that a new approval brings it back.
 */
export type Pack = {
  name: string;
  current: PackVersion | null;
  candidate: PackVersion | null;
};

/** Facts about the host that decide the state of a pack. */
export type HostRules = {
  ceiling: Ceiling;
  program: AgentProgram;
  /** True when a runner in exactly these groups is connected. */
  hasRunner: (groups: readonly string[]) => boolean;
  /**
   * Why a grant file of this pack does not count although it may exist; null when nothing
   * was refused.
   */
  whyRefused: (pack: string) => string | null;
  /** Why the registry's log stops this version; null when it does not. */
  whyStopped: (pack: string, version: Version) => string | null;
  /** The version that served last, even if the pack was removed since; null when none served. */
  floorOf: (pack: string) => Version | null;
};

/**
 * Sets the state of each version of a pack by its grant and the host's rules.
 *
 * @param grantOf what was granted to a version of this pack
 */
export function judgePack(
  pack: Pack,
  grantOf: (version: PackVersion) => Grant | null,
  host: HostRules,
): Pack {
  const judgeVersion = (version: PackVersion | null, withoutGrant: "pending" | "revoked") =>
    version === null ? null : judge(version, grantOf(version), host, withoutGrant);
  const candidate = judgeVersion(pack.candidate, "pending");
  if (candidate?.state === "active") return { ...pack, current: candidate, candidate: null };
  return { ...pack, current: judgeVersion(pack.current, "revoked"), candidate };
}

/**
 * @param withoutGrant state without a grant: pending for a candidate, revoked for a
 *   current version
 */
function judge(
  version: PackVersion,
  grant: Grant | null,
  host: HostRules,
  withoutGrant: "pending" | "revoked",
): PackVersion {
  const { admitted } = version;
  if (admitted === null) return version;
  const { requires, name } = admitted.manifest;
  const stopped = host.whyStopped(name, version.version);
  if (stopped !== null) return become(version, "quarantined", "PACK_QUARANTINED", stopped);
  const approve = `${host.program} approve ${name}`;
  const refused = host.whyRefused(name);
  if (grant === null && refused !== null) {
    const why = `its approval could not be read: ${refused}`.slice(0, 1500);
    return become(version, withoutGrant, "PERMISSION_NEEDED", `${why}; or run: ${approve}`);
  }
  if (grant === null) {
    return become(version, withoutGrant, "PACK_NOT_ACTIVE", `not approved; run: ${approve}`);
  }
  const floor = host.floorOf(name);
  // Attack 44: only a person on the host may downgrade, by approving exactly that archive.
  const isApprovedHere = grant.byHub?.alone !== true && grant.digest === version.digest;
  if (floor !== null && semver.lt(version.version, floor) && !isApprovedHere) {
    const why = `older than ${floor}, which served last; run: ${approve}`;
    return become(version, "held", "PACK_DOWNGRADE", why);
  }
  const undecided = undecidedRequirements(requires, grant);
  if (!isNothing(undecided)) {
    const asked = listItems(undecided).join(", ").slice(0, 1500);
    return become(
      version,
      "held",
      "READ_NOT_GRANTED",
      `asks for more than was approved: ${asked}; run: ${approve}`,
    );
  }
  const wider = ungrantedWindows(admitted, grant);
  if (wider.length > 0) {
    const asked = wider.map(describeWindow).join(", ").slice(0, 1500);
    const why = `reads more than was approved: ${asked}; run: ${approve}`;
    return become(version, "held", "READ_NOT_GRANTED", why);
  }
  const whole = { requires };
  if (callableProbes(admitted.manifest, whole, host.ceiling).length === 0) {
    const why = `every probe is above this host's ceiling, ${host.ceiling.maxCapability}`;
    return become(version, "failed", "CAPABILITY_ABOVE_CEILING", why);
  }
  const withheld = listItems(withheldRequirements(requires, grant));
  const probes = callableProbes(admitted.manifest, grant, host.ceiling);
  if (probes.length === 0) {
    const why = `no probe can be called: ${describeWithheld(host.program, name, withheld)}`;
    return become(version, withoutGrant, "READ_NOT_GRANTED", why);
  }
  // A runner is needed to start serving only. A restart of the runner must not withdraw the tools.
  const groups = grantedGroups(admitted.manifest, grant);
  if (version.state !== "active" && !hasRunnerFor(groups, host)) {
    const why = `no runner is in ${groups.map((group) => `group ${group}`).join(", ")}`;
    return become(version, "pending", "PERMISSION_NEEDED", why);
  }
  if (withheld.length === 0) return { ...version, state: "active", reason: null };
  return become(
    version,
    "active",
    "READ_NOT_GRANTED",
    describeWithheld(host.program, name, withheld),
  );
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
