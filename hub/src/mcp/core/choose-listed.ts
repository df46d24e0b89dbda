import { splitProbeId } from "@sonde/schemas/names";
import type { CatalogEntry } from "../../catalog/index.ts";

type Entry = Pick<CatalogEntry, "probe">;

/**
 * Chooses which tools a list has. A pack is listed whole or not at all. The packs that were used most
 * have the first places, of two that were used alike the one with more tools; then each that still
 * fits.
 *
 * @param usesOf how often a pack was used
 * @returns the tools in their order, and the packs whose tools are left out, sorted by name
 */
export function chooseListed<E extends Entry>(
  entries: readonly E[],
  most: number,
  usesOf: (pack: string) => number,
): { listed: E[]; leftOut: E[]; packs: string[] } {
  const packOf = ({ probe }: Entry): string => splitProbeId(probe).pack;
  const sizes = new Map<string, number>();
  for (const entry of entries) sizes.set(packOf(entry), (sizes.get(packOf(entry)) ?? 0) + 1);
  const bestFirst = [...sizes].sort(
    ([a, sizeOfA], [b, sizeOfB]) => usesOf(b) - usesOf(a) || sizeOfB - sizeOfA || (a < b ? -1 : 1),
  );
  const packs = new Set<string>();
  let room = most;
  for (const [pack, size] of bestFirst) {
    if (size > room) packs.add(pack);
    else room -= size;
  }
  const listed = entries.filter((entry) => !packs.has(packOf(entry)));
  const leftOut = entries.filter((entry) => packs.has(packOf(entry)));
  return { listed, leftOut, packs: [...packs].sort() };
}
