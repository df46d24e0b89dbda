import type { Source } from "@sonde/schemas/manifest";
import { listItems } from "./items.ts";
import { rulesOf } from "./kinds.ts";

/** Names what a source needs: `file /proc/meminfo`, `command df -P`. */
export function listNeeds(source: Source): string[] {
  const needs = Object.entries(rulesOf(source).needs(source));
  return listItems(Object.fromEntries(needs.map(([list, need]) => [list, [need]])));
}

/** True for a source whose reads leave the host, or may. */
export function asksHosts(source: Source): boolean {
  return rulesOf(source).needs(source).hosts !== undefined;
}

/** The groups that a pack with these sources has to declare. */
export function listNeededGroups(sources: Readonly<Record<string, Source>>): string[] {
  const groups = Object.values(sources).map((source) => rulesOf(source).group);
  return [...new Set(groups.filter((group) => group !== undefined))];
}
