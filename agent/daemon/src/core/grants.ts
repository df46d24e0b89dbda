import type { GrantFolder } from "@sonde/files";
import { type GrantFile } from "@sonde/schemas/agent";
import { type Manifest, type ReadWindow, type Requires } from "@sonde/schemas/manifest";
import type { Timestamp } from "@sonde/schemas/names";
import { type AdmittedPack } from "@sonde/schemas/trust";
import {
  buildRequires,
  deriveRequires,
  deriveWindows,
  listItems,
  widerWindows,
} from "@sonde/sources";
import { type Ceiling, isWithinCeiling } from "./ceiling.ts";

/** What people approved on this host. */
export type Grants = Pick<GrantFolder, "byPack" | "whyRefused" | "revoked">;

/** All that was granted to one archive: by people on this host, and by the hub within what it may. */
export type Grant = GrantFile & {
  byHub?: {
    /** What the hub granted, some of it perhaps granted on the host too. */
    items: readonly string[];
    by: string;
    at: Timestamp;
    /** True when nobody on the host granted anything. */
    alone: boolean;
  };
};

/** What a grant says of requirements. */
type Granted = Pick<GrantFile, "requires" | "withheld">;

/** Returns the requirements that are not in `known`. */
export function missingRequirements(requires: Requires, known: Requires | null): Requires {
  return buildRequires((list) => missing(requires[list], known?.[list]));
}

/**
 * Returns the requirements that nobody has decided about: neither granted nor withheld. Without a
 * grant these are all requirements.
 */
export function undecidedRequirements(requires: Requires, grant: Granted | null): Requires {
  const ungranted = missingRequirements(requires, grant?.requires ?? null);
  return missingRequirements(ungranted, grant?.withheld ?? null);
}

/** Returns the requirements that a person saw and did not grant. */
export function withheldRequirements(requires: Requires, grant: Granted | null): Requires {
  const ungranted = missingRequirements(requires, grant?.requires ?? null);
  return missingRequirements(ungranted, undecidedRequirements(requires, grant));
}

/** The groups that reads of this pack may use: a withheld one is in no runner that serves it. */
export function grantedGroups({ requires }: Manifest, grant: Granted): string[] {
  const granted = new Set(grant.requires.groups);
  return requires.groups.filter((group) => granted.has(group));
}

/**
 * Returns how much more a pack reads than was granted. Of what was withheld it reads nothing. A
 * grant without windows is of an earlier release. It counts for the archive that was shown to the
 * person, and no other.
 */
export function ungrantedWindows(
  { manifest, digest }: AdmittedPack,
  grant: GrantFile | null,
): ReadWindow[] {
  const withheld = new Set(listItems(withheldRequirements(manifest.requires, grant)));
  const asked = deriveWindows(manifest.sources).filter(({ of }) => !withheld.has(of));
  if (grant?.windows === undefined && grant?.digest === digest) return [];
  return widerWindows(asked, grant?.windows ?? []);
}

export function isNothing(requires: Requires): boolean {
  return Object.values(requires).every((list) => list.length === 0);
}

/**
 * Lists the probes that exist on this host: every source they read is granted, and their
 * effective capability is within the host's ceiling. No other probe has a code path here
 * (layer 3).
 */
export function callableProbes(manifest: Manifest, grant: Granted, ceiling: Ceiling): string[] {
  return Object.keys(manifest.probes).filter(
    (probeName) =>
      isWithinCeiling(manifest, probeName, ceiling) && isProbeGranted(manifest, probeName, grant),
  );
}

/**
 * True when a person granted every source that the probe reads, and decided about every group that
 * the pack asks for. Which reads need a group only the kernel knows: without it, it refuses them.
 */
function isProbeGranted(manifest: Manifest, probeName: string, grant: Granted): boolean {
  if (!Object.hasOwn(manifest.probes, probeName)) return false;
  const { groups } = undecidedRequirements(manifest.requires, grant);
  return groups.length === 0 && lackedItems(manifest, probeName, grant).length === 0;
}

/** Names what a probe reads and a person did not grant. */
export function lackedItems(manifest: Manifest, probeName: string, grant: Granted): string[] {
  const reads = Object.values(manifest.probes[probeName]?.reads ?? {});
  const used = new Set(reads.map(({ source }) => source));
  const sources = Object.entries(manifest.sources).filter(([name]) => used.has(name));
  const needs = { ...deriveRequires(Object.fromEntries(sources)), groups: [] };
  return listItems(missingRequirements(needs, grant.requires));
}

/** How a person calls the agent's commands on its host: from its package, or from `npm start`. */
export type AgentProgram = "sonde-agent" | "sonde agent";

/** The next step of whoever lacks what was withheld. */
export function describeWithheld(
  program: AgentProgram,
  pack: string,
  items: readonly string[],
): string {
  const withheld = items.join(", ").slice(0, 1200);
  return `${withheld} was not granted; run: ${program} approve ${pack} --ask-each`;
}

function missing(asked: string[] = [], known: string[] = []): string[] {
  const have = new Set(known);
  return asked.filter((item) => !have.has(item));
}
