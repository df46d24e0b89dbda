import { CATEGORIES, ENGINES, type Manifest, type PackReach } from "@sonde/schemas/manifest";
import { higherCapability } from "@sonde/schemas/names";
import { categoryOf } from "./categories.ts";
import { classifySource, effectiveCapability } from "./classify-source.ts";
import { engineOf } from "./engines.ts";
import { isRootGroup } from "./root-groups.ts";

/** Computes in short what a pack could reach on a host. What its author says does not count. */
export function deriveReach(
  manifest: Pick<Manifest, "sources" | "probes" | "requires">,
): PackReach {
  const sources = Object.values(manifest.sources);
  const levels = [
    ...sources.map((source) => classifySource(source)),
    ...Object.keys(manifest.probes).map((probe) => effectiveCapability(manifest, probe)),
  ];
  const engines = new Set(sources.map(engineOf));
  return {
    capability: levels.reduce(higherCapability, "observe"),
    groups: manifest.requires.groups.map((name) => ({ name, isRoot: isRootGroup(name) })),
    reads: CATEGORIES.flatMap((category) => {
      const count = sources.filter((source) => categoryOf(source) === category).length;
      return count === 0 ? [] : [{ category, count }];
    }),
    engines: ENGINES.filter((engine) => engines.has(engine)),
  };
}
