import type { Manifest, ProbeManifest, ValueSchema } from "@sonde/schemas/manifest";
import { buildProbeId } from "@sonde/schemas/names";
import type { ToolWords, VersionDifference } from "@sonde/schemas/registry";
import { effectiveCapability } from "@sonde/sources";
import { diffPermissions } from "@sonde/trust/pack";
import { diffLines } from "./diff-lines.ts";

type Side = { manifest: Manifest; readme: string };

/** Describes what differs between two versions of a pack, in either direction. */
export function describeDifference(before: Side, after: Side): VersionDifference {
  const { from: _, to: __, ...permissions } = diffPermissions(before.manifest, after.manifest);
  return {
    name: after.manifest.name,
    from: before.manifest.version,
    to: after.manifest.version,
    description: { before: before.manifest.description, after: after.manifest.description },
    permissions,
    tools: diffTools(before.manifest, after.manifest),
    readme: diffLines(before.readme, after.readme),
  };
}

function diffTools(before: Manifest, after: Manifest): VersionDifference["tools"] {
  const probes = new Set([...Object.keys(before.probes), ...Object.keys(after.probes)]);
  return [...probes].toSorted().flatMap((probe) => {
    const [old, now] = [readTool(before, probe), readTool(after, probe)];
    if (JSON.stringify(old) === JSON.stringify(now)) return [];
    return [{ id: buildProbeId(after.name, probe), before: old, after: now }];
  });
}

function readTool(manifest: Manifest, probe: string): ToolWords | null {
  const declared = new Map(Object.entries(manifest.probes)).get(probe);
  if (declared === undefined) return null;
  return {
    description: declared.description,
    capability: effectiveCapability(manifest, probe),
    params: listParams(declared),
    result: JSON.stringify(declared.result),
  };
}

function listParams({ params }: ProbeManifest): ToolWords["params"] {
  if (!("properties" in params)) return [];
  return Object.entries<ValueSchema>(params.properties).map(([name, schema]) => ({
    name,
    required: params.required.includes(name),
    schema: JSON.stringify(schema),
  }));
}
