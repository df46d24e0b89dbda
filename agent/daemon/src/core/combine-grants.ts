import type { GrantFile, HubMayGrant } from "@sonde/schemas/agent";
import type { ReadWindow } from "@sonde/schemas/manifest";
import type { AdmittedPack } from "@sonde/schemas/trust";
import type { HubGrant } from "@sonde/schemas/wire";
import { deriveWindows, listHubGrantable, listItems, pickItems } from "@sonde/sources";
import { type Grant, missingRequirements } from "./grants.ts";

/**
 * Adds to the grant of this host what the hub granted to this archive. The host decides about each item:
 * one that its configuration does not let the hub grant, that the archive does not ask for, or that a
 * person on the host withheld, does not count. What is granted by neither is withheld.
 *
 * @param hub for exactly this archive; null when there is none, or this host revoked the pack
 */
export function combineGrants(
  { manifest, digest }: AdmittedPack,
  host: GrantFile | null,
  hub: HubGrant | null,
  hubMayGrant: HubMayGrant,
): Grant | null {
  if (hub === null) return host;
  const { requires } = manifest;
  const grantable = listHubGrantable(manifest, hubMayGrant);
  const given = new Set(hub.items);
  const declined = new Set(listItems(host?.withheld ?? {}));
  const items = listItems(requires).filter(
    (item) => given.has(item) && grantable.has(item) && !declined.has(item),
  );
  if (items.length === 0) return host;
  const has = new Set([...items, ...listItems(host?.requires ?? {})]);
  const granted = pickItems(requires, (item) => has.has(item));
  const at = new Date(hub.given).toISOString();
  const byHub = { items, by: nameGiver(hub), at, alone: host === null };
  const windows = deriveWindows(manifest.sources);
  return {
    pack: manifest.name,
    // Only a person on this host may go back to an older version (attack 44).
    digest: host?.digest ?? digest,
    requires: granted,
    withheld: missingRequirements(requires, granted),
    windows: [
      ...(host === null ? [] : windowsOf(host, digest, windows)),
      ...windows.filter(({ of }) => items.includes(of)),
    ],
    ...(host?.endpoints !== undefined && { endpoints: host.endpoints }),
    approvedBy: (host === null ? byHub.by : `${host.approvedBy}; ${byHub.by}`).slice(0, 200),
    approvedAt: at,
    byHub,
  };
}

/** A grant of release 0.1.0 has no windows and covers one archive. */
function windowsOf(
  { windows, digest }: GrantFile,
  present: string,
  asked: readonly ReadWindow[],
): readonly ReadWindow[] {
  return windows ?? (digest === present ? asked : []);
}

/** Who granted it, for people; the names are the hub's word. */
function nameGiver({ byName, by }: HubGrant): string {
  return `${byName} at the hub (${by})`.slice(0, 200);
}
