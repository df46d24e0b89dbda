import { type GrantFile } from "@sonde/schemas/agent";
import { SondeError } from "@sonde/schemas/errors";
import { type ProbeManifest } from "@sonde/schemas/manifest";
import { type Capability } from "@sonde/schemas/names";
import { buildValueChecker } from "@sonde/schemas/parse";
import { type AdmittedPack } from "@sonde/schemas/trust";
import { callableProbes, isWithinCeiling } from "./grants.ts";

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
  maxCapability: Capability;
};

/**
 * Builds a pack's table of probes. Only a probe that is granted and within the ceiling
 * gets an entry.
 */
export function buildActivePack(
  admitted: AdmittedPack,
  codePath: string,
  grant: GrantFile,
  maxCapability: Capability,
): ActivePack {
  const { manifest } = admitted;
  const probes = new Map<string, CallableProbe>();
  for (const name of callableProbes(manifest, grant.requires, maxCapability)) {
    const probe = manifest.probes[name];
    if (probe === undefined) continue;
    probes.set(name, {
      name,
      manifest: probe,
      checkParams: buildLazyChecker(probe.params),
      checkResult: buildLazyChecker(probe.result),
    });
  }
  return { admitted, codePath, probes, maxCapability };
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
  if (!isWithinCeiling(manifest, name, pack.maxCapability)) {
    const most = pack.maxCapability;
    throw new SondeError(
      "CAPABILITY_ABOVE_CEILING",
      `expected at most ${most}, ${name} needs more`,
    );
  }
  throw new SondeError("READ_NOT_GRANTED", `expected every read of ${name} to be approved`);
}

/** Compiles the schema at the first call and keeps the result while the pack is in service. */
function buildLazyChecker(schema: object): Checker {
  let check: Checker | undefined;
  return (value) => {
    check ??= buildValueChecker(schema);
    return check(value);
  };
}
