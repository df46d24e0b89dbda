import type { Source, Template } from "@sonde/schemas/manifest";
import type { Word } from "./source-rules.ts";

/** A word that is no pattern of a hole and ends where a blank follows. */
const PLAIN_WORD = /^[A-Za-z0-9_.:,=+@%/-]+$/;

/** Stands for a hole of one path segment in a path pattern. */
const ANY = "*";

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

/** One argument of a command; quoted unless plain, so that no text reads as two or as a hole. */
export function argumentPattern(word: Word, holes: Source["holes"]): string {
  if (typeof word === "object") return holePattern(word.hole, holes);
  return PLAIN_WORD.test(word) ? word : JSON.stringify(word);
}

/** One value of a query, percent-encoded as it is sent. */
export function queryPattern(value: Word, holes: Source["holes"]): string {
  return typeof value === "object" ? holePattern(value.hole, holes) : encodeURIComponent(value);
}

/** All that a hole may stand for: `<1..9>`, `<up|down>`, `<hostname>`, `/srv/**`. */
function holePattern(name: string, holes: Source["holes"]): string {
  const hole = new Map(Object.entries(holes ?? {})).get(name);
  if (hole === undefined) return ANY;
  switch (hole.type) {
    case "integer":
      return `<${hole.minimum}..${hole.maximum}>`;
    case "enum":
      return `<${hole.values.join("|")}>`;
    case "path-beneath":
      return `${hole.root}/**`;
    case "boolean":
    case "hostname":
    case "unit-name":
    case "container-name":
      return `<${hole.type}>`;
  }
}

export function asParts(template: Template): Exclude<Template, string> {
  return typeof template === "string" ? [template] : template;
}
