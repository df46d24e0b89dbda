import { checkPath, refusePrivate } from "../check-path.ts";
import { quote } from "../quote.ts";
import { renderTemplate } from "../render-template.ts";
import type { SourceRules } from "../source-rules.ts";
import { asParts, pathPattern } from "../template.ts";

export const directoryRules: SourceRules<"directory"> = {
  title: "Reads the entries of a directory",
  words: ({ path }) => asParts(path),
  check({ path, holes, child }, refuse) {
    const pattern = checkPath(path, holes, refuse);
    refusePrivate(child === undefined ? [pattern] : [pattern, `${pattern}/*/${child}`], refuse);
  },
  level: () => "observe",
  needs({ path, holes, child }) {
    const pattern = pathPattern(path, holes);
    return { files: child === undefined ? pattern : `${pattern}/*/${child}` };
  },
  window: ({ maxBytes, maxEntries }) => ({ part: "first", bytes: maxBytes, entries: maxEntries }),
  describe({ path, names, child }, textOf) {
    const entry = names === "numeric" ? "[0-9]+" : "*";
    const file = child === undefined ? "" : `/${child}`;
    return `directory ${quote(renderTemplate(path, textOf))}/${entry}${file}`;
  },
};
