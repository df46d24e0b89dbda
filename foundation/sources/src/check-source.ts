import { SondeError } from "@sonde/schemas/errors";
import { type Source } from "@sonde/schemas/manifest";
import { checkPath } from "./check-path.ts";
import { rulesOf } from "./kinds.ts";
import { reachesPrivatePath } from "./declared-private-paths.ts";
import { isOptionalHole } from "./hole-value.ts";
import type { Refuse } from "./source-rules.ts";

/**
 * Checks one source beyond its schema. The holes used must be the holes declared, and the
 * rules of its kind must hold. For example, every path is absolute, normalised and not
 * private.
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
  const settings = new Map(
    rulesOf(source)
      .settings?.(source)
      .map((one) => [one.hole, one.type]),
  );
  const words = new Set(usedHoles(source));
  const used = new Set([...words, ...settings.keys()]);
  const declared = new Map(Object.entries(source.holes ?? {}));
  for (const hole of used) if (!declared.has(hole)) refuse(`expected hole ${hole} to be declared`);
  for (const [name, hole] of declared) {
    if (!used.has(name)) refuse(`expected hole ${name} to be used`);
    const type = settings.get(name) ?? hole.type;
    if (type !== hole.type) refuse(`expected hole ${name} to be of type ${type}`);
    // A text may be anything, and an absent value nothing: neither may become a path or an argument.
    if (words.has(name) && (hole.type === "text" || isOptionalHole(hole))) {
      refuse(`expected hole ${name} to be always filled, and by no free text`);
    }
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

/** Lists the names of the holes in a source's words, in order of use. */
function usedHoles(source: Source): string[] {
  const words = rulesOf(source).words(source);
  return words.flatMap((word) => (typeof word === "string" ? [] : [word.hole]));
}
