import { checkPath, refusePrivate } from "../check-path.ts";
import { quote } from "../quote.ts";
import { renderTemplate } from "../render-template.ts";
import type { SourceRules } from "../source-rules.ts";
import { asParts, pathPattern } from "../template.ts";

export const treeRules: SourceRules<"tree"> = {
  title: "Lists the files beneath a directory, with their sizes, times, owners and modes",
  words: ({ path }) => asParts(path),
  check({ path, holes }, refuse) {
    const pattern = checkPath(path, holes, refuse);
    refusePrivate([`${pattern}/**`], refuse);
  },
  level: () => "observe",
  // The slash at the end tells it from the contents of those files, which it does not grant.
  needs: ({ path, holes }) => ({ files: `${pathPattern(path, holes)}/**/` }),
  window: ({ maxBytes, maxEntries }) => ({ part: "first", bytes: maxBytes, entries: maxEntries }),
  describe({ path, depth }, textOf) {
    const folder = quote(renderTemplate(path, textOf));
    return `sizes, times, owners and modes of the files beneath ${folder} (${depth} levels)`;
  },
};
