import { SondeError } from "@sonde/schemas/errors";
import { type Source } from "@sonde/schemas/manifest";
import { checkPath } from "./check-path.ts";
import { rulesOf } from "./kinds.ts";
import { reachesPrivatePath } from "./private-paths.ts";
import type { Refuse } from "./source-rules.ts";

/**
 * The rules for one source that its shape cannot say: the holes used are the
 * holes declared, and what its kind demands (every path is absolute, normalised
 * and not private).
 *
 * @throws SondeError MANIFEST_INVALID
 */
export function checkSource(name: string, source: Source): void {
  const refuse: Refuse = (sentence) => {
    throw new SondeError("MANIFEST_INVALID", `source ${name}: ${sentence}`);
  };
  checkHoles(source, refuse);
  rulesOf(source).check(source, refuse);
}

function checkHoles(source: Source, refuse: Refuse): void {
  const used = new Set(usedHoles(source));
  const declared = new Map(Object.entries(source.holes ?? {}));
  for (const hole of used) if (!declared.has(hole)) refuse(`expected hole ${hole} to be declared`);
  for (const [name, hole] of declared) {
    if (!used.has(name)) refuse(`expected hole ${name} to be used`);
    if (hole.type === "path-beneath") {
      checkPath(hole.root, undefined, refuse);
      if (reachesPrivatePath(`${hole.root}/**`)) {
        refuse(`expected a root packs may read, got ${hole.root}`);
      }
    }
    if (hole.type === "integer" && hole.minimum > hole.maximum) {
      refuse(`expected hole ${name} to have minimum <= maximum`);
    }
  }
}

/** The names of the holes that a source uses, in order of use. */
function usedHoles(source: Source): string[] {
  const words = rulesOf(source).words(source);
  return words.flatMap((word) => (typeof word === "string" ? [] : [word.hole]));
}
