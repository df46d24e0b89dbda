import { type Manifest, type Source } from "@sonde/schemas/manifest";
import { type Capability, higherCapability } from "@sonde/schemas/names";
import { rulesOf } from "./kinds.ts";

/** The level a source needs, decided by the rules of its kind and not by the author's label. */
export function classifySource(source: Source): Capability {
  return rulesOf(source).level(source);
}

/** The higher of the probe's declared level and what its sources are classified as. */
export function effectiveCapability(
  manifest: Pick<Manifest, "sources" | "probes">,
  probe: string,
): Capability {
  // checkManifest has made sure that the probe's reads name real sources.
  const declared = Object.hasOwn(manifest.probes, probe) ? manifest.probes[probe] : undefined;
  if (declared === undefined) return "manage";
  return Object.values(declared.reads).reduce<Capability>((level, { source }) => {
    const read = Object.hasOwn(manifest.sources, source) ? manifest.sources[source] : undefined;
    return higherCapability(level, read === undefined ? "manage" : classifySource(read));
  }, declared.capability);
}
