import { type Manifest } from "@sonde/schemas/manifest";
import { type Capability, isHigherCapability } from "@sonde/schemas/names";
import { type AlsoReadOnly, effectiveCapability } from "@sonde/sources";

/** What root on this host allows at most, whatever a hub or a pack says. */
export type Ceiling = {
  maxCapability: Capability;
  /** Commands and requests that only look on this host, beside those of the built-in tables. */
  alsoReadOnly: AlsoReadOnly;
};

/** True when the probe's effective capability, which the author cannot lower, is within the ceiling. */
export function isWithinCeiling(manifest: Manifest, probe: string, ceiling: Ceiling): boolean {
  return !isHigherCapability(capabilityHere(manifest, probe, ceiling), ceiling.maxCapability);
}

/** A probe's effective capability on this host. */
export function capabilityHere(
  manifest: Manifest,
  probe: string,
  { alsoReadOnly }: Ceiling,
): Capability {
  return effectiveCapability(manifest, probe, alsoReadOnly);
}
