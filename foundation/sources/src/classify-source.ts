import { type Manifest, type Source } from "@sonde/schemas/manifest";
import { type Capability, higherCapability, isHigherCapability } from "@sonde/schemas/names";
import { describeRead } from "./describe-read.ts";
import { rulesOf } from "./kinds.ts";
import { listNeeds } from "./list-needs.ts";

/**
 * What root on a host says of that host: these commands and requests only look. Each is a
 * need of `listNeeds`, compared as a whole: `command systemctl is-active <unit-name>`.
 */
export type AlsoReadOnly = ReadonlySet<string>;

const NOTHING: AlsoReadOnly = new Set();

/**
 * Returns the level that a source needs, by the rules of its kind. The author's label
 * does not count.
 */
export function classifySource(source: Source, alsoReadOnly = NOTHING): Capability {
  const level = rulesOf(source).level(source);
  if (level === "observe" || alsoReadOnly.size === 0) return level;
  const needs = listNeeds(source);
  const isListed = needs.length > 0 && needs.every((need) => alsoReadOnly.has(need));
  return isListed ? "observe" : level;
}

/** Says why a source needs more than `observe`, and what would not; null when it does not. */
export function explainLevel(source: Source): string | null {
  const rules = rulesOf(source);
  const level = rules.level(source);
  if (level === "observe") return null;
  const why = rules.whyAbove === undefined ? "" : `; ${rules.whyAbove(source)}`;
  return `${describeRead(source)} is ${level}${why}`;
}

/**
 * Returns the higher of the probe's declared level and the levels of its sources. A label
 * that is no higher than its sources need everywhere says nothing of its own. So it does
 * not count on a host whose root says that they only look.
 */
export function effectiveCapability(
  manifest: Pick<Manifest, "sources" | "probes">,
  probe: string,
  alsoReadOnly = NOTHING,
): Capability {
  // checkManifest guarantees that the probe's reads name existing sources.
  const declared = Object.hasOwn(manifest.probes, probe) ? manifest.probes[probe] : undefined;
  if (declared === undefined) return "manage";
  const levelWith = (listed: AlsoReadOnly): Capability =>
    Object.values(declared.reads).reduce<Capability>((level, { source }) => {
      const read = Object.hasOwn(manifest.sources, source) ? manifest.sources[source] : undefined;
      const needed = read === undefined ? "manage" : classifySource(read, listed);
      return higherCapability(level, needed);
    }, "observe");
  const everywhere = levelWith(NOTHING);
  const isRaised = isHigherCapability(declared.capability, everywhere);
  const here = alsoReadOnly.size === 0 ? everywhere : levelWith(alsoReadOnly);
  return higherCapability(isRaised ? declared.capability : "observe", here);
}

/** A level as people see it, and what it means for a host. */
export function describeLevel(level: Capability): { label: string; words: string } {
  return LEVELS[level];
}

const LEVELS: Readonly<Record<Capability, { label: string; words: string }>> = {
  observe: { label: "only looks", words: "It can look at the host and change nothing." },
  interact: { label: "interacts", words: "It can do things that pass by themselves." },
  manage: { label: "changes things", words: "It can change the host." },
};
