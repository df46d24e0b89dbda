import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * Finds the packs in a folder: each subfolder with a `src/pack.ts`. Other subfolders are left-overs
 * of an earlier install or another branch.
 *
 * @returns paths of the packs' folders, sorted
 */
export function findPacks(folder: string): string[] {
  return readdirSync(folder)
    .toSorted()
    .map((name) => join(folder, name))
    .filter((pack) => existsSync(join(pack, "src/pack.ts")));
}
