import type { Digest, PackName, Version } from "@sonde/schemas/names";
import type { Pack, PackVersion } from "./pack-state.ts";

/**
 * What the agent must remember of its packs across restarts. Their states follow from the
 * grants.
 */
export type SavedPacks = {
  revision: number;
  /** Pack -> the version that served last. Kept after the pack is removed. */
  floors: Record<PackName, Version>;
  packs: { name: PackName; current: SavedVersion; candidate: SavedVersion }[];
};
export type SavedVersion = { version: Version; digest: Digest } | null;

export function buildSavedPacks(
  revision: number,
  packs: readonly Pack[],
  floors: ReadonlyMap<PackName, Version>,
): SavedPacks {
  const save = (version: PackVersion | null): SavedVersion =>
    version === null ? null : { version: version.version, digest: version.digest };
  return {
    revision,
    floors: Object.fromEntries(floors),
    packs: packs.map(({ name, current, candidate }) => ({
      name,
      current: save(current),
      candidate: save(candidate),
    })),
  };
}
