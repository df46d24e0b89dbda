import type { DesiredStateBody, PackReport } from "@sonde/schemas/wire";
import { isOlderVersion } from "@sonde/trust/log";

/**
 * Finds a pack that serves in an older version than before, which the hub did not order. A host that
 * was restored from a snapshot has such a one, also when its audit log has grown beyond what the hub
 * knows of it (identity rule 7). A pack that is gone says nothing: a person on the host takes packs
 * back.
 */
export function findOlderPack(
  before: readonly PackReport[],
  stated: readonly PackReport[],
  desired: DesiredStateBody["packs"],
): { name: string; version: string; before: string } | null {
  const serving = new Map(before.filter(isActive).map(({ name, version }) => [name, version]));
  for (const { name, version, digest } of stated.filter(isActive)) {
    const known = serving.get(name);
    const wanted = desired.find((pack) => pack.name === name);
    // A pack of a local folder, which no hub orders, is its developer's.
    if (known === undefined || wanted === undefined || wanted.digest === digest) continue;
    if (isOlderVersion(version, known)) return { name, version, before: known };
  }
  return null;
}

const isActive = ({ state }: PackReport): boolean => state === "active";
