import { type GrantFile, type PackExplanation } from "@sonde/schemas/agent";
import { type Capability, buildProbeId } from "@sonde/schemas/names";
import { type PackReport } from "@sonde/schemas/wire";
import { describeRead, effectiveCapability } from "@sonde/sources";
import { scrubSentence } from "@sonde/scrub";
import { existingProbes, missingRequirements } from "./grants.ts";
import { type HostRules, type Pack, type PackVersion, hasRunnerFor } from "./pack-state.ts";

/** One report per version, in a stable order; a probe is listed only while it can be called. */
export function buildPackReports(
  packs: readonly Pack[],
  grants: ReadonlyMap<string, GrantFile>,
  maxCapability: Capability,
): PackReport[] {
  return packs.flatMap(({ name, current, candidate }) =>
    [current, candidate].flatMap((version) =>
      version === null
        ? []
        : [buildPackReport(name, version, grants.get(name) ?? null, maxCapability)],
    ),
  );
}

function buildPackReport(
  name: string,
  version: PackVersion,
  grant: GrantFile | null,
  maxCapability: Capability,
): PackReport {
  const { admitted, state, digest, reason } = version;
  const active = state === "active" && admitted !== null && grant !== null;
  const probes = active ? existingProbes(admitted.manifest, grant.requires, maxCapability) : [];
  return {
    name,
    version: version.version,
    digest,
    state,
    signer: admitted?.signer ?? null,
    probes: probes.sort(),
    approved: active ? { by: grant.approvedBy, at: grant.approvedAt } : null,
    // It may quote what a file or a registry said, and it leaves the host.
    reason: reason && { code: reason.code, message: scrubSentence(reason.message) },
  };
}

/**
 * What a pack would do here, before it ever runs.
 *
 * @param runsAs the user that performs the reads, in words
 * @returns null when the archive has not been verified yet
 */
export function explainPack(
  version: PackVersion,
  grant: GrantFile | null,
  host: Pick<HostRules, "hasRunner">,
  runsAs: string,
): PackExplanation | null {
  const { admitted } = version;
  if (admitted === null) return null;
  const { manifest, digest, signer } = admitted;
  const { groups } = manifest.requires;
  return {
    name: manifest.name,
    version: manifest.version,
    digest,
    signer,
    state: version.state,
    requires: manifest.requires,
    missing: missingRequirements(manifest.requires, grant?.requires ?? null),
    probes: Object.entries(manifest.probes).map(([probe, { description, reads }]) => ({
      id: buildProbeId(manifest.name, probe),
      description,
      capability: effectiveCapability(manifest, probe),
      reads: Object.entries(reads).flatMap(([name, { source }]) => {
        const declared = manifest.sources[source];
        return declared === undefined ? [] : [{ name, what: describeRead(declared), runsAs }];
      }),
    })),
    before: hasRunnerFor(groups, host) ? [] : [runnerCommand(groups)],
  };
}

/** What an administrator runs so that one runner has these groups, all of them. */
function runnerCommand(groups: readonly string[]): string {
  return `sudo npm start -- --runner-groups ${groups.join("+")}`;
}
