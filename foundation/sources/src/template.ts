import type { Source, Template } from "@sonde/schemas/manifest";
import type { Word } from "./source-rules.ts";

/** A word that needs no quotes: it cannot be taken for a hole and has no blank. */
const PLAIN_WORD = /^[A-Za-z0-9_.:,=+@%/-]+$/;

/** Stands for a hole of one path segment in a path pattern. */
const ANY = "*";

/**
 * Converts a path template into a pattern for people and policy. A hole becomes `*`. A
 * `path-beneath` hole stands for a whole path and becomes `ROOT/**`.
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

/**
 * Formats one argument of a command. Quotes it unless it is plain, so that it cannot be
 * taken for two arguments or a hole.
 */
export function argumentPattern(word: Word, holes: Source["holes"]): string {
  if (typeof word === "object") return holePattern(word.hole, holes);
  return PLAIN_WORD.test(word) ? word : JSON.stringify(word);
}

/** Formats one value of a query, percent-encoded as it is sent. */
export function queryPattern(value: Word, holes: Source["holes"]): string {
  return typeof value === "object" ? holePattern(value.hole, holes) : encodeURIComponent(value);
}

/** Formats a path with the type of each hole, as `/containers/<container-name>/json`. */
export function typedPath(template: Template, holes: Source["holes"]): string {
  return asParts(template)
    .map((part) => (typeof part === "string" ? part : holePattern(part.hole, holes)))
    .join("");
}

/** Shows all that a hole accepts: `<1..9>`, `<up|down>`, `<hostname>`, `/srv/**`. */
export function holePattern(name: string, holes: Source["holes"]): string {
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
    case "text":
    case "dns-name":
    case "database-name":
    case "endpoint":
    case "journal-cursor":
      return `<${hole.type}>`;
  }
}

export function asParts(template: Template): Exclude<Template, string> {
  return typeof template === "string" ? [template] : template;
}
