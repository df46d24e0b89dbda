import { checkPath, refusePrivate } from "../check-path.ts";
import { quote } from "../quote.ts";
import { renderSearch } from "../render-search.ts";
import { renderTemplate } from "../render-template.ts";
import { settingsOf } from "../setting.ts";
import type { SourceRules } from "../source-rules.ts";
import { asParts, pathPattern } from "../template.ts";

/** As of a fixed number in the schema. */
const MOST_LINES = 10_000;

export const linesRules: SourceRules<"lines"> = {
  title: "Reads the newest lines of a file, or searches it for lines with a text",
  words: ({ path }) => asParts(path),
  settings: ({ newest, contains, ignoreCase }) =>
    settingsOf([newest, "integer"], [contains, "text"], [ignoreCase, "boolean"]),
  check({ path, holes, newest, contains, ignoreCase }, refuse) {
    refusePrivate([checkPath(path, holes, refuse)], refuse);
    if (ignoreCase !== undefined && contains === undefined) {
      refuse("expected contains beside ignoreCase");
    }
    const count = typeof newest === "object" ? holes?.[newest.hole] : undefined;
    if (count?.type === "integer" && (count.minimum < 1 || count.maximum > MOST_LINES)) {
      refuse(`expected newest within 1 and ${MOST_LINES}`);
    }
  },
  level: () => "observe",
  needs: ({ path, holes }) => ({ files: pathPattern(path, holes) }),
  // Any line of the searched part can be given, so all of that is granted.
  window: ({ searchBytes }) => ({ part: "last", bytes: searchBytes }),
  describe(source, textOf) {
    const { newest, contains, ignoreCase } = renderSearch(source, textOf);
    const fitting = contains === "" ? "" : ` with ${quote(contains)}`;
    const folded = ignoreCase === "" ? "" : `, letter case ignored: ${ignoreCase}`;
    const file = quote(renderTemplate(source.path, textOf));
    return `file ${file} (newest ${newest} lines${fitting}${folded}, of the last ${source.searchBytes} bytes)`;
  },
};
