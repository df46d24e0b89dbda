import { type Manifest, type ReadWindow, type Requires } from "@sonde/schemas/manifest";
import { type Capability, type Version, isHigherCapability } from "@sonde/schemas/names";
import semver from "semver";
import { buildRequires, deriveWindows, effectiveCapability, widerWindows } from "@sonde/sources";

/** What one version of a pack asks of a host, compared with another. */
export type PermissionDiff = {
  /** Null when there is no earlier version; then everything is new. */
  from: Version | null;
  to: Version;
  added: Requires;
  removed: Requires;
  /** What was read before, and is read in another or a larger part now. */
  wider: ReadWindow[];
  probes: {
    added: string[];
    removed: string[];
    /** Probes that take other reads than before, or repeat one for other values. */
    changed: string[];
    /** Probes that need a higher level than before. */
    raised: { probe: string; from: Capability; to: Capability }[];
  };
  sources: { added: string[]; removed: string[]; changed: string[] };
  /** True when a grant for the earlier version does not cover the later one. */
  asksMore: boolean;
};

/**
 * Compares what two versions ask for, by the needs of their sources and not by their
 * labels. Every list is sorted.
 */
export function diffPermissions(before: Manifest | null, after: Manifest): PermissionDiff {
  const added = lessOf(after.requires, before?.requires);
  const probes = diffProbes(before, after);
  const wider = diffWindows(before, after);
  const asksMore =
    wider.length > 0 ||
    Object.values(added).some((names) => names.length > 0) ||
    probes.raised.length > 0 ||
    probes.added.some((probe) => effectiveCapability(after, probe) !== "observe");
  return {
    from: before?.version ?? null,
    to: after.version,
    added,
    removed: lessOf(before?.requires, after.requires),
    wider,
    probes,
    sources: diffNamed(before?.sources ?? {}, after.sources),
    asksMore,
  };
}

/** Returns the newest of these versions that is older than `version`, or null. */
export function findPrevious(versions: readonly Version[], version: Version): Version | null {
  const older = versions.filter((other) => semver.lt(other, version));
  return older.toSorted(semver.rcompare)[0] ?? null;
}

/** Returns the requirements in `some` that `others` lacks. */
function lessOf(some: Requires | undefined, others: Requires | undefined): Requires {
  return buildRequires((list) => missing(some?.[list], others?.[list]));
}

function diffWindows(before: Manifest | null, after: Manifest): ReadWindow[] {
  const old = deriveWindows(before?.sources ?? {});
  const known = new Set(old.map(({ of }) => of));
  return widerWindows(deriveWindows(after.sources), old).filter(({ of }) => known.has(of));
}

function diffProbes(before: Manifest | null, after: Manifest): PermissionDiff["probes"] {
  const raised = Object.keys(before?.probes ?? {})
    .filter((probe) => Object.hasOwn(after.probes, probe))
    .toSorted()
    .flatMap((probe) => {
      const from = before === null ? "observe" : effectiveCapability(before, probe);
      const to = effectiveCapability(after, probe);
      return isHigherCapability(to, from) ? [{ probe, from, to }] : [];
    });
  const reads = ({ probes }: Manifest) =>
    Object.fromEntries(Object.entries(probes).map(([id, probe]) => [id, probe.reads]));
  return { ...diffNamed(before === null ? {} : reads(before), reads(after)), raised };
}

/** Compares what has the same name, as it is written. */
function diffNamed(before: Record<string, object>, after: Record<string, object>) {
  const [old, now] = [Object.keys(before), Object.keys(after)];
  const changed = now.filter(
    (name) => old.includes(name) && JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  return { added: missing(now, old), removed: missing(old, now), changed: changed.toSorted() };
}

function missing(some: readonly string[] = [], others: readonly string[] = []): string[] {
  return some.filter((name) => !others.includes(name)).toSorted();
}
