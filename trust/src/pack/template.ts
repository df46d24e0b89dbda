import type { Source, Template } from "@sonde/schemas";

/** Stands for a hole of one path segment in a path pattern. */
const ANY = "*";

/** The names of the holes that a source uses, in order of use. */
export function usedHoles(source: Source): string[] {
  return partsOf(source).flatMap((part) => (typeof part === "string" ? [] : [part.hole]));
}

/**
 * A path template as a pattern for people and policy: `*` where a hole is; a
 * hole of type `path-beneath`, which stands for a whole path, as `ROOT/**`.
 */
export function pathPattern(template: Template, holes: Source["holes"]): string {
  const declared = new Map(Object.entries(holes ?? {}));
  return asParts(template)
    .map((part) => {
      if (typeof part === "string") return part;
      const hole = declared.get(part.hole);
      return hole?.type === "path-beneath" ? `${hole.root}/**` : ANY;
    })
    .join("");
}

export function asParts(template: Template): Exclude<Template, string> {
  return typeof template === "string" ? [template] : template;
}

function partsOf(source: Source): Exclude<Template, string> {
  switch (source.kind) {
    case "file":
    case "directory":
      return asParts(source.path);
    case "filesystem":
      return [];
    case "exec":
      return source.argv;
    case "http":
      return [...asParts(source.path), ...Object.values(source.query ?? {})];
  }
}
