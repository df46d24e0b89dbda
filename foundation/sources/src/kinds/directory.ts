import type { DirectorySource } from "@sonde/schemas/manifest";
import { checkPath, refusePrivate } from "../check-path.ts";
import { quote } from "../quote.ts";
import { renderTemplate } from "../render-template.ts";
import type { SourceRules } from "../source-rules.ts";
import { asParts, pathPattern } from "../template.ts";

export const directoryRules: SourceRules<"directory"> = {
  title: "Reads the entries of a directory",
  words: ({ path }) => asParts(path),
  check(source, refuse) {
    const pattern = checkPath(source.path, source.holes, refuse);
    if (source.child !== undefined && source.contents === true) {
      refuse("expected either child or contents");
    }
    const file = fileOf(source);
    refusePrivate(file === null ? [pattern] : [pattern, `${pattern}${file}`], refuse);
  },
  level: () => "observe",
  needs(source) {
    return { files: `${pathPattern(source.path, source.holes)}${fileOf(source) ?? ""}` };
  },
  window: ({ maxBytes, maxEntries }) => ({ part: "first", bytes: maxBytes, entries: maxEntries }),
  describe({ path, names, child, contents }, textOf) {
    const entry = names === "numeric" ? "[0-9]+" : "*";
    const file = child === undefined ? "" : `/${child}`;
    const what = contents === true ? "contents of directory" : "directory";
    return `${what} ${quote(renderTemplate(path, textOf))}/${entry}${file}`;
  },
};

/** The files that are read, beneath the directory; null when only names are. */
function fileOf({ child, contents }: DirectorySource): string | null {
  if (contents === true) return "/*";
  return child === undefined ? null : `/*/${child}`;
}
