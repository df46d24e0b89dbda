import type { Source, Template } from "@sonde/schemas/manifest";
import { reachesPrivatePath } from "./declared-private-paths.ts";
import type { Refuse } from "./source-rules.ts";
import { asParts, pathPattern } from "./template.ts";

// Fixed parts of a path. No blank, quote, glob, percent or control character is allowed,
// so that a path means the same to every parser.
const FIXED_PART = /^[A-Za-z0-9_.@+:,=~/-]+$/;

/** Refuses a path that is not absolute, plain and normalised. Returns its pattern. */
export function checkPath(path: Template, holes: Source["holes"], refuse: Refuse): string {
  const parts = asParts(path);
  if (parts.some((part) => typeof part === "string" && !FIXED_PART.test(part))) {
    refuse("expected plain characters in the path");
  }
  const pattern = pathPattern(path, holes);
  if (hasWholePathHole(path, holes)) {
    // A path-beneath hole is an absolute path itself, so nothing can stand before or after it.
    if (parts.length !== 1) refuse("expected a path-beneath hole to stand alone");
    return pattern;
  }
  const [first, ...segments] = pattern.split("/");
  if (first !== "" || segments.some((segment) => ["", ".", ".."].includes(segment))) {
    refuse(`expected an absolute path without empty, . or .. segments, got ${pattern}`);
  }
  return pattern;
}

export function refusePrivate(patterns: string[], refuse: Refuse): void {
  if (patterns.some(reachesPrivatePath)) {
    refuse(`expected a path packs may read, got ${patterns[0]}`);
  }
}

export function hasWholePathHole(path: Template, holes: Source["holes"]): boolean {
  const declared = new Map(Object.entries(holes ?? {}));
  return asParts(path).some(
    (part) => typeof part === "object" && declared.get(part.hole)?.type === "path-beneath",
  );
}
