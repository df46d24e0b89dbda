import { SondeError } from "@sonde/schemas/errors";
import { type Manifest, parseManifestShape } from "@sonde/schemas/manifest";
import { parsePackVersions, parsePublishedVersion } from "@sonde/schemas/registry";
import { describeWindow } from "@sonde/sources";
import { diffPermissions, findPrevious, type PermissionDiff } from "@sonde/trust/pack";
import { requestRegistry } from "./registry-request.ts";

/** What an unpublished version asks for beyond the version before it in the registry. */
export async function findPermissionDiff(
  registry: string,
  manifest: Manifest,
): Promise<PermissionDiff> {
  return diffPermissions(await findPreviousManifest(registry, manifest), manifest);
}

async function findPreviousManifest(
  registry: string,
  { name, version }: Manifest,
): Promise<Manifest | null> {
  let versions: string[];
  try {
    const answer = parsePackVersions(await requestRegistry(registry, `/packs/${name}`));
    versions = answer.versions.map((known) => known.version);
  } catch (thrown) {
    if (thrown instanceof SondeError && thrown.code === "NOT_FOUND") return null;
    throw thrown;
  }
  const previous = findPrevious(versions, version);
  if (previous === null) return null;
  const answer = await requestRegistry(registry, `/packs/${name}/${previous}`);
  return parseManifestShape(parsePublishedVersion(answer).manifest);
}

/** The difference in words, one line for each addition. */
export function describePermissionDiff(diff: PermissionDiff): string {
  const { from, to, added, removed, probes, sources } = diff;
  const list = (what: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`  ${what}: ${names.join(", ")}`];
  const lines = [
    ...Object.entries(added).flatMap(([kind, names]) => list(`+ ${kind}`, names)),
    ...Object.entries(removed).flatMap(([kind, names]) => list(`- ${kind}`, names)),
    ...list("+ reads", diff.wider.map(describeWindow)),
    ...list("+ probes", probes.added),
    ...list("- probes", probes.removed),
    ...probes.raised.map(({ probe, ...level }) => `  ! ${probe}: ${level.from} -> ${level.to}`),
    ...list("probes changed", probes.changed),
    ...list("sources changed", sources.changed),
  ];
  const title =
    from === null
      ? `${to} is the first version. It asks for:`
      : `What ${to} asks for, beside ${from}:`;
  return [title, ...(lines.length === 0 ? ["  nothing else"] : lines)].join("\n");
}
