import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * The packs in a folder of packs: each folder that has a `src/pack.ts`. Any
 * other is what an earlier install or another branch has left.
 *
 * @returns paths of their folders, sorted
 */
export function findPacks(folder: string): string[] {
  return readdirSync(folder)
    .toSorted()
    .map((name) => join(folder, name))
    .filter((pack) => existsSync(join(pack, "src/pack.ts")));
}
