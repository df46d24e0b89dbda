import type { PackName } from "@sonde/schemas/names";
import type { PublishCheck } from "@sonde/schemas/registry";
import { tooLike, warnOfNearNames } from "../name-rules.ts";

/** How many known packs a new name is compared with. */
const POPULAR = 500;

export type NamePorts = {
  /** The pack that has this name or one like it. */
  findLike(name: PackName): Promise<PackName | null>;
  listPopular(limit: number): Promise<PackName[]>;
};

/**
 * Step 9, for the first version of a pack: its name is unlike every other. What
 * is only near to a known name is published with a warning.
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
