import type { Manifest } from "@sonde/schemas/manifest";
import { buildProbeId } from "@sonde/schemas/names";
import type { VersionDetails } from "@sonde/schemas/registry";
import { classifySource, effectiveCapability } from "./classify-source.ts";
import { deriveReach } from "./derive-reach.ts";
import { describeRead, describeUse, titleOf } from "./describe-read.ts";

/** Everything that a pack could do on a host, in words and exactly. */
export function describePermissions(manifest: Manifest): VersionDetails["permissions"] {
  const reads = Object.values(manifest.sources).map((source) => ({
    words: titleOf(source),
    exact: describeRead(source),
    capability: classifySource(source),
  }));
  return {
    capability: deriveReach(manifest).capability,
    groups: manifest.requires.groups,
    reads,
  };
}

/** What a pack can be asked, with the reads of each question. */
export function describeProbes(manifest: Manifest): VersionDetails["probes"] {
  return Object.entries(manifest.probes).map(([probe, { description, reads }]) => ({
    id: buildProbeId(manifest.name, probe),
    description,
    capability: effectiveCapability(manifest, probe),
    reads: Object.values(reads).flatMap((read) => {
      const declared = manifest.sources[read.source];
      return declared === undefined ? [] : [describeUse(declared, read)];
    }),
  }));
}
