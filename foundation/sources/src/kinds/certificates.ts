import { checkPath, refusePrivate } from "../check-path.ts";
import { quote } from "../quote.ts";
import { renderTemplate } from "../render-template.ts";
import type { SourceRules } from "../source-rules.ts";
import { asParts, pathPattern } from "../template.ts";

export const certificatesRules: SourceRules<"certificates"> = {
  title: "Reads the certificates in the files beneath a directory, and nothing else in them",
  words: ({ path }) => asParts(path),
  check({ path, holes }, refuse) {
    const pattern = checkPath(path, holes, refuse);
    refusePrivate([`${pattern}/**`], refuse);
  },
  level: () => "observe",
  // The word at the end tells it from the contents of those files, which it does not grant.
  needs: ({ path, holes }) => ({ files: `${pathPattern(path, holes)}/** CERTIFICATES` }),
  window: ({ maxBytes, maxEntries }) => ({ part: "first", bytes: maxBytes, entries: maxEntries }),
  describe({ path, depth }, textOf) {
    const folder = quote(renderTemplate(path, textOf));
    return `certificates in the files beneath ${folder} (${depth} levels)`;
  },
};
