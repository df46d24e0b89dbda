import { checkPath, refusePrivate } from "../check-path.ts";
import { quote } from "../quote.ts";
import { renderTemplate } from "../render-template.ts";
import type { SourceRules } from "../source-rules.ts";
import { asParts, pathPattern } from "../template.ts";

export const fileRules: SourceRules<"file"> = {
  title: "Reads a file",
  words: ({ path }) => asParts(path),
  check({ path, holes }, refuse) {
    refusePrivate([checkPath(path, holes, refuse)], refuse);
  },
  level: () => "observe",
  needs: ({ path, holes }) => ({ files: pathPattern(path, holes) }),
  window: ({ tailBytes, maxBytes }) =>
    tailBytes === undefined
      ? { part: "first", bytes: maxBytes }
      : { part: "last", bytes: Math.min(tailBytes, maxBytes) },
  describe({ path, tailBytes }, textOf) {
    const part = tailBytes === undefined ? "" : ` (last ${tailBytes} bytes)`;
    return `file ${quote(renderTemplate(path, textOf))}${part}`;
  },
};
