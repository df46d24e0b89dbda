import { type GrantFile } from "@sonde/schemas/agent";
import { type Manifest, type Requires } from "@sonde/schemas/manifest";
import { type Capability, isHigherCapability } from "@sonde/schemas/names";
import { deriveRequires, effectiveCapability } from "@sonde/sources";

/** What people approved on this host. */
export type Grants = {
  byPack: ReadonlyMap<string, GrantFile>;
  /**
   * Why a grant file of this pack does not count although it may exist; null when nothing
   * was refused.
   */
  whyRefused: (pack: string) => string | null;
};

/** Returns the requirements that were not granted. Without a grant these are all requirements. */
export function missingRequirements(requires: Requires, granted: Requires | null): Requires {
  return {
    groups: missing(requires.groups, granted?.groups),
    commands: missing(requires.commands, granted?.commands),
    files: missing(requires.files, granted?.files),
    sockets: missing(requires.sockets, granted?.sockets),
  };
}

export function isNothing(requires: Requires): boolean {
  return Object.values(requires).every((list) => list.length === 0);
}

/** Formats requirements as one line for a person: `group docker, file /proc/meminfo`. */
export function listRequirements(requires: Requires): string {
  return LISTS.flatMap(([list, word]) => requires[list].map((item) => `${word} ${item}`)).join(
    ", ",
  );
}

const WORDS: Record<keyof Requires, string> = {
  groups: "group",
  commands: "command",
  files: "file",
  sockets: "socket",
};
const LISTS = Object.entries(WORDS) as [keyof Requires, string][];

/**
 * Lists the probes that exist on this host: every source they read is granted, and their
 * effective capability is within the host's ceiling. No other probe has a code path here
 * (layer 3).
 */
export function callableProbes(
  manifest: Manifest,
  granted: Requires | null,
  maxCapability: Capability,
): string[] {
  return Object.keys(manifest.probes).filter(
    (probeName) =>
      isWithinCeiling(manifest, probeName, maxCapability) &&
      isProbeGranted(manifest, probeName, granted),
  );
}

/**
 * True when the probe's effective capability, which the author cannot lower, is within
 * the host's ceiling.
 */
export function isWithinCeiling(
  manifest: Manifest,
  probeName: string,
  maxCapability: Capability,
): boolean {
  return !isHigherCapability(effectiveCapability(manifest, probeName), maxCapability);
}

/**
 * True when a person granted every source that the probe reads and every group that the
 * pack needs.
 */
export function isProbeGranted(
  manifest: Manifest,
  probeName: string,
  granted: Requires | null,
): boolean {
  if (granted === null || !Object.hasOwn(manifest.probes, probeName)) return false;
  const reads = Object.values(manifest.probes[probeName]?.reads ?? {});
  const used = new Set(reads.map(({ source }) => source));
  const sources = Object.entries(manifest.sources).filter(([name]) => used.has(name));
  const needs = {
    ...deriveRequires(Object.fromEntries(sources)),
    groups: manifest.requires.groups,
  };
  return isNothing(missingRequirements(needs, granted));
}

function missing(asked: string[], granted: string[] = []): string[] {
  const have = new Set(granted);
  return asked.filter((item) => !have.has(item));
}
