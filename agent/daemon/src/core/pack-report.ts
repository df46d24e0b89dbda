import { type HubMayGrant, type PackExplanation } from "@sonde/schemas/agent";
import { type Requires } from "@sonde/schemas/manifest";
import { buildProbeId, type PackName } from "@sonde/schemas/names";
import { type PackReport } from "@sonde/schemas/wire";
import { type OwnRules, scrubSentence } from "@sonde/scrub";
import { deriveWindows, describeUse, listHubGrantable, listItems } from "@sonde/sources";
import { type Ceiling, capabilityHere } from "./ceiling.ts";
import {
  callableProbes,
  type Grant,
  lackedItems,
  missingRequirements,
  undecidedRequirements,
  ungrantedWindows,
  withheldRequirements,
} from "./grants.ts";
import { type HostRules, hasRunnerFor, type Pack, type PackVersion } from "./pack-state.ts";

/** What a report depends on, apart from packs and grants. */
type ReportingHost = {
  ceiling: Ceiling;
  /** The operator's own patterns of secrets. */
  ownRules: OwnRules;
};

/**
 * Builds one report per version, in a stable order. A report lists only probes that can
 * be called.
 */
export function buildPackReports(
  packs: readonly Pack[],
  grantOf: (name: PackName, version: PackVersion) => Grant | null,
  host: ReportingHost,
): PackReport[] {
  return packs.flatMap(({ name, current, candidate }) =>
    [current, candidate].flatMap((version) =>
      version === null ? [] : [buildPackReport(name, version, grantOf(name, version), host)],
    ),
  );
}

function buildPackReport(
  name: string,
  version: PackVersion,
  grant: Grant | null,
  { ceiling, ownRules }: ReportingHost,
): PackReport {
  const { admitted, state, digest, reason } = version;
  const active = state === "active" && admitted !== null && grant !== null;
  const probes = active ? callableProbes(admitted.manifest, grant, ceiling) : [];
  return {
    name,
    version: version.version,
    digest,
    state,
    signer: admitted?.signer ?? null,
    probes: probes.sort(),
    approved: active ? { by: grant.approvedBy, at: grant.approvedAt } : null,
    // The reason leaves the host and may quote a file or a registry's answer, so it is scrubbed.
    reason: reason && { code: reason.code, message: scrubSentence(reason.message, 2000, ownRules) },
  };
}

const NOTHING: Requires = { groups: [], commands: [], files: [], sockets: [] };

/**
 * Describes what a pack would do on this host, before any of its code runs.
 *
 * @param runsAs the user that performs the reads, in words
 * @returns null while the archive is not verified
 */
export function explainPack(
  version: PackVersion,
  grant: Grant | null,
  host: Pick<HostRules, "hasRunner" | "ceiling"> & {
    approvalGivesRunner: boolean;
    hubMayGrant: HubMayGrant;
    /** Whether a person revoked the pack on this host. */
    revoked: boolean;
  },
  runsAs: string,
): PackExplanation | null {
  const { admitted } = version;
  if (admitted === null) return null;
  const { manifest, digest, signer } = admitted;
  const undecided = new Set(listItems(undecidedRequirements(manifest.requires, grant)));
  const declined = withheldRequirements(manifest.requires, grant);
  const withheld = new Set(listItems(declined));
  const { groups } = missingRequirements(manifest.requires, declined);
  return {
    name: manifest.name,
    version: manifest.version,
    digest,
    signer,
    state: version.state,
    requires: manifest.requires,
    endpoints: grant?.endpoints ?? [],
    windows: deriveWindows(manifest.sources),
    wider: ungrantedWindows(admitted, grant),
    reason: version.reason,
    granted: grant === null ? null : { by: grant.approvedBy, at: grant.approvedAt },
    hub: {
      granted: describeHubPart(grant),
      mayGrant: [...listHubGrantable(manifest, host.hubMayGrant)].toSorted(),
      revoked: host.revoked,
    },
    missing: undecidedRequirements(manifest.requires, grant),
    gone: missingRequirements(grant?.requires ?? NOTHING, manifest.requires),
    items: listItems(manifest.requires).map((item) => ({
      item,
      state: withheld.has(item) ? "withheld" : undecided.has(item) ? "asked" : "granted",
    })),
    probes: Object.entries(manifest.probes).map(([probe, { description, reads }]) => ({
      id: buildProbeId(manifest.name, probe),
      description,
      capability: capabilityHere(manifest, probe, host.ceiling),
      lacks:
        grant === null
          ? []
          : lackedItems(manifest, probe, grant).filter((item) => withheld.has(item)),
      reads: Object.entries(reads).flatMap(([name, read]) => {
        const declared = manifest.sources[read.source];
        return declared === undefined ? [] : [{ name, what: describeUse(declared, read), runsAs }];
      }),
    })),
    before: host.approvalGivesRunner || hasRunnerFor(groups, host) ? [] : [runnerCommand(groups)],
  };
}

/** What of a grant the hub gave, apart from what people on the host did. */
function describeHubPart(grant: Grant | null): PackExplanation["hub"]["granted"] {
  if (grant?.byHub === undefined) return null;
  const { by, at, items } = grant.byHub;
  return { by, at, items: [...items] };
}

/** The command with which an administrator starts a runner that is in all of these groups. */
function runnerCommand(groups: readonly string[]): string {
  return `sudo npm start -- --runner-groups ${groups.join("+")}`;
}
