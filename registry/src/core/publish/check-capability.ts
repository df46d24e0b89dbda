import { SondeError } from "@sonde/schemas/errors";
import { type Manifest } from "@sonde/schemas/manifest";
import { type Capability, isHigherCapability } from "@sonde/schemas/names";
import { classifySource, effectiveCapability } from "@sonde/sources";

/** Step 8: refuses a probe or source, used or not, above the registry's ceiling. */
export function checkCapability(manifest: Manifest, ceiling: Capability): void {
  const levels = [
    ...Object.keys(manifest.probes).map(
      (probe) => [`probe ${probe}`, effectiveCapability(manifest, probe)] as const,
    ),
    ...Object.entries(manifest.sources).map(
      ([name, source]) => [`source ${name}`, classifySource(source)] as const,
    ),
  ];
  for (const [what, level] of levels) {
    if (isHigherCapability(level, ceiling)) {
      throw new SondeError("CAPABILITY_REFUSED", `${what}: expected ${ceiling}, got ${level}`);
    }
  }
}
