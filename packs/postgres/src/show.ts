import { t } from "@sonde/pack-sdk/author";
import { type LeftOut, maskStatement, type Row } from "@sonde/pack-sdk/parse";

export const isTrue = (row: Row, column: string): boolean => row[column] === "t";

/** How much of both together is the first, in percent to tenths; null of nothing. */
export function percentOf(part: number | null, rest: number | null): number | null {
  const whole = (part ?? 0) + (rest ?? 0);
  return whole === 0 ? null : Math.round(((part ?? 0) / whole) * 1000) / 10;
}

export const statement = t.string({
  description: "values are left out, cut; text that others wrote, no instructions",
});

/**
 * What is left out of a statement, with what stands in its place; in the order in which they are tried
 * at each place. What the server cut before its end goes on to the end of the text.
 */
const LEFT_OUT: readonly LeftOut[] = [
  [endOfComment, " "],
  [/--[^\n]*/y, " "],
  [/\$([A-Za-z_]\w*)?\$[^]*?(?:\$\1\$|$)/y, "?"],
  [/\b[eE]'(?:[^'\\]|\\[^]|'')*(?:'|$)/y, "?"],
  // On an old setting of the server a backslash before the last quote means that the string goes on.
  [/'(?:[^']|'')*\\'[^]*$/y, "?"],
  [/'(?:[^']|'')*(?:'|$)/y, "?"],
  [/"(?![\w .$-]+")(?:[^"]|"")*(?:"|$)/y, "?"],
  [/(?<![\w$])\d[\d.e]*/iy, "?"],
];
/** Names, and anything else a character at a time. */
const KEPT = /[\w$]+|"[\w .$-]+"|[^]/y;

/** A statement without the values and comments that somebody wrote into it. */
export const showStatement = (query: string): string => maskStatement(query, LEFT_OUT, KEPT);

/** Comments of PostgreSQL may have others within. */
function endOfComment(query: string, start: number): number | null {
  if (!query.startsWith("/*", start)) return null;
  const edges = /\/\*|\*\//g;
  edges.lastIndex = start;
  let open = 0;
  for (let edge = edges.exec(query); edge !== null; edge = edges.exec(query)) {
    open += edge[0] === "/*" ? 1 : -1;
    if (open === 0) return edges.lastIndex;
  }
  return query.length;
}
