import { type GrantFile, type PackExplanation } from "@sonde/schemas/agent";
import { type Capability, buildProbeId } from "@sonde/schemas/names";
import { type PackReport } from "@sonde/schemas/wire";
import { describeRead, effectiveCapability } from "@sonde/sources";
import { scrubSentence } from "@sonde/scrub";
import { callableProbes, missingRequirements } from "./grants.ts";
import { type HostRules, type Pack, type PackVersion, hasRunnerFor } from "./pack-state.ts";

/**
 * Builds one report per version, in a stable order. A report lists only probes that can
 * be called.
 */
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
  const probes = active ? callableProbes(admitted.manifest, grant.requires, maxCapability) : [];
  return {
    name,
    version: version.version,
    digest,
    state,
    signer: admitted?.signer ?? null,
    probes: probes.sort(),
    approved: active ? { by: grant.approvedBy, at: grant.approvedAt } : null,
    // The reason leaves the host and may quote a file or a registry's answer, so it is scrubbed.
    reason: reason && { code: reason.code, message: scrubSentence(reason.message) },
  };
}

/**
 * Describes what a pack would do on this host, before any of its code runs.
 *
 * @param runsAs the user that performs the reads, in words
 * @returns null while the archive is not verified
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

/** The command with which an administrator starts a runner that is in all of these groups. */
function runnerCommand(groups: readonly string[]): string {
  return `sudo npm start -- --runner-groups ${groups.join("+")}`;
}
