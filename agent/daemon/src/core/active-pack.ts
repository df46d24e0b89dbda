import { SondeError } from "@sonde/schemas/errors";
import { type ProbeManifest } from "@sonde/schemas/manifest";
import { buildValueChecker } from "@sonde/schemas/parse";
import { type AdmittedPack } from "@sonde/schemas/trust";
import { type Ceiling, isWithinCeiling } from "./ceiling.ts";
import {
  type AgentProgram,
  callableProbes,
  describeWithheld,
  type Grant,
  grantedGroups,
  lackedItems,
} from "./grants.ts";

type Checker = (value: unknown) => string | null;

/** A probe that may be called on this host. */
export type CallableProbe = {
  name: string;
  manifest: ProbeManifest;
  /**
   * Each returns null when the value fits the schema, else one sentence that says what is
   * wrong.
   */
  checkParams: Checker;
  checkResult: Checker;
};

/** A pack in service. Only the probes in `probes` can be called, whoever the caller is. */
export type ActivePack = {
  admitted: AdmittedPack;
  /** Absolute path of the verified `index.js`. */
  codePath: string;
  probes: ReadonlyMap<string, CallableProbe>;
  /** The groups of the runner that reads for it, and those that it asked for and was not given. */
  groups: string[];
  withheldGroups: string[];
  grant: Grant;
  ceiling: Ceiling;
  program: AgentProgram;
};

/**
 * Builds a pack's table of probes. Only a probe that is granted and within the ceiling
 * gets an entry.
 */
export function buildActivePack(
  admitted: AdmittedPack,
  codePath: string,
  grant: Grant,
  { ceiling, program }: Pick<ActivePack, "ceiling" | "program">,
): ActivePack {
  const { manifest } = admitted;
  const probes = new Map<string, CallableProbe>();
  for (const name of callableProbes(manifest, grant, ceiling)) {
    const probe = manifest.probes[name];
    if (probe === undefined) continue;
    probes.set(name, {
      name,
      manifest: probe,
      checkParams: buildLazyChecker(probe.params),
      checkResult: buildLazyChecker(probe.result),
    });
  }
  const groups = grantedGroups(manifest, grant);
  const withheldGroups = manifest.requires.groups.filter((group) => !groups.includes(group));
  return { admitted, codePath, probes, groups, withheldGroups, grant, ceiling, program };
}

/**
 * Returns the probe of that name, if it exists on this host.
 *
 * @throws SondeError PROBE_UNKNOWN, CAPABILITY_ABOVE_CEILING or READ_NOT_GRANTED
 */
export function requireProbe(pack: ActivePack, name: string): CallableProbe {
  const probe = pack.probes.get(name);
  if (probe !== undefined) return probe;
  const { manifest } = pack.admitted;
  if (!Object.hasOwn(manifest.probes, name)) {
    throw new SondeError("PROBE_UNKNOWN", `expected a probe of ${manifest.name}, got ${name}`);
  }
  if (!isWithinCeiling(manifest, name, pack.ceiling)) {
    const most = pack.ceiling.maxCapability;
    throw new SondeError(
      "CAPABILITY_ABOVE_CEILING",
      `expected at most ${most}, ${name} needs more`,
    );
  }
  const lacked = describeWithheld(
    pack.program,
    manifest.name,
    lackedItems(manifest, name, pack.grant),
  );
  throw new SondeError(
    "READ_NOT_GRANTED",
    `expected every read of ${name} to be approved: ${lacked}`,
  );
}

/** Compiles the schema at the first call and keeps the result while the pack is in service. */
function buildLazyChecker(schema: object): Checker {
  let check: Checker | undefined;
  return (value) => {
    check ??= buildValueChecker(schema);
    return check(value);
  };
}
