import { type Manifest, type Source } from "@sonde/schemas/manifest";
import { type Capability, higherCapability } from "@sonde/schemas/names";
import { rulesOf } from "./kinds.ts";

/**
 * Returns the level that a source needs, by the rules of its kind. The author's label
 * does not count.
 */
export function classifySource(source: Source): Capability {
  return rulesOf(source).level(source);
}

/** Returns the higher of the probe's declared level and the levels of its sources. */
export function effectiveCapability(
  manifest: Pick<Manifest, "sources" | "probes">,
  probe: string,
): Capability {
  // checkManifest guarantees that the probe's reads name existing sources.
  const declared = Object.hasOwn(manifest.probes, probe) ? manifest.probes[probe] : undefined;
  if (declared === undefined) return "manage";
  return Object.values(declared.reads).reduce<Capability>((level, { source }) => {
    const read = Object.hasOwn(manifest.sources, source) ? manifest.sources[source] : undefined;
    return higherCapability(level, read === undefined ? "manage" : classifySource(read));
  }, declared.capability);
}
