import type { PackName } from "@sonde/schemas/names";
import type { PublishCheck } from "@sonde/schemas/registry";
import { tooLike, warnOfNearNames } from "../name-rules.ts";

/** How many known packs a new name is compared with. */
const POPULAR = 500;

export type NamePorts = {
  /** Finds the pack that has this name or a look-alike. */
  findLike(name: PackName): Promise<PackName | null>;
  listPopular(limit: number): Promise<PackName[]>;
};

/**
 * Step 9, for the first version of a pack: refuses a look-alike of another name. A name that is
 * only near to a known one gets a warning.
 *
 * @throws SondeError NAME_REFUSED
 */
export async function checkName(
  ports: NamePorts,
  name: PackName,
): Promise<{ outcome: PublishCheck["outcome"]; warnings: string[] }> {
  const like = await ports.findLike(name);
  if (like === name) return { outcome: "not-applicable", warnings: [] };
  if (like !== null) throw tooLike(name, like);
  return { outcome: "passed", warnings: warnOfNearNames(name, await ports.listPopular(POPULAR)) };
}
