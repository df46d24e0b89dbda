import { SondeError } from "@sonde/schemas/errors";
import { type Source, type SourceKind } from "@sonde/schemas/manifest";
import { reachesPrivatePath } from "./private-paths.ts";
import { asParts, pathPattern, usedHoles } from "./template.ts";

// Fixed parts of a path: no blank, quote, glob, percent or control character,
// so a path means the same to every reader of it.
const FIXED_PART = /^[A-Za-z0-9_.@+:,=~/-]+$/;

/**
 * The rules for one source that its shape cannot say: the holes used are the
 * holes declared, and every path is absolute, normalised and not private.
 *
 * @throws SondeError MANIFEST_INVALID
 */
export function checkSource(name: string, source: Source): void {
  const refuse: Refuse = (sentence) => {
    throw new SondeError("MANIFEST_INVALID", `source ${name}: ${sentence}`);
  };
  checkHoles(source, refuse);
  // The record has every kind; TypeScript does not relate the kind to its own entry.
  const check = CHECKS[source.kind] as (source: Source, refuse: Refuse) => void;
  check(source, refuse);
}

type Refuse = (sentence: string) => never;

const CHECKS: {
  [K in SourceKind]: (source: Extract<Source, { kind: K }>, refuse: Refuse) => void;
} = {
  file({ path, holes }, refuse) {
    refusePrivate([checkPath(path, holes, refuse)], refuse);
  },
  directory({ path, holes, child }, refuse) {
    const pattern = checkPath(path, holes, refuse);
    refusePrivate(child === undefined ? [pattern] : [pattern, `${pattern}/*/${child}`], refuse);
  },
  filesystem() {
    // It has nothing but its limits.
  },
  exec({ argv }, refuse) {
    if (argv.some((part) => !isPrintable(part))) refuse("expected arguments of printable ASCII");
  },
  http({ path, socket, holes }, refuse) {
    if (hasWholePathHole(path, holes)) refuse("expected no path-beneath hole");
    checkPath(path, holes, refuse);
    checkPath(socket, holes, refuse);
    if (reachesPrivatePath(socket)) refuse(`expected a socket packs may use, got ${socket}`);
  },
};

function refusePrivate(patterns: string[], refuse: Refuse): void {
  if (patterns.some(reachesPrivatePath)) {
    refuse(`expected a path packs may read, got ${patterns[0]}`);
  }
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

/** Gives the path's pattern. */
function checkPath(
  path: Parameters<typeof pathPattern>[0],
  holes: Source["holes"],
  refuse: Refuse,
): string {
  const parts = asParts(path);
  if (parts.some((part) => typeof part === "string" && !FIXED_PART.test(part))) {
    refuse("expected plain characters in the path");
  }
  const pattern = pathPattern(path, holes);
  if (hasWholePathHole(path, holes)) {
    // Such a hole is itself an absolute path: nothing can stand before or after it.
    if (parts.length !== 1) refuse("expected a path-beneath hole to stand alone");
    return pattern;
  }
  const [first, ...segments] = pattern.split("/");
  if (first !== "" || segments.some((segment) => ["", ".", ".."].includes(segment))) {
    refuse(`expected an absolute path without empty, . or .. segments, got ${pattern}`);
  }
  return pattern;
}

function hasWholePathHole(
  path: Parameters<typeof pathPattern>[0],
  holes: Source["holes"],
): boolean {
  const declared = new Map(Object.entries(holes ?? {}));
  return asParts(path).some(
    (part) => typeof part === "object" && declared.get(part.hole)?.type === "path-beneath",
  );
}

function isPrintable(part: string | { hole: string }): boolean {
  return typeof part === "object" || /^[\x20-\x7e]+$/.test(part);
}
