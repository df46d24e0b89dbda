import { t } from "@sonde/pack-sdk/author";
import { parseNumber } from "@sonde/pack-sdk/parse";

/** A row of an answer; values are texts as the server spells them. */
export type Row = Record<string, string | null>;

/** The most characters of a statement that are shown. */
const MOST_CHARACTERS = 300;

/** A number, or null where the server has none. */
export function numberOf(row: Row, column: string): number | null {
  const text = row[column];
  return text === null || text === undefined ? null : parseNumber(text, column);
}

/** To tenths. */
export function secondsOf(row: Row, column: string): number | null {
  const seconds = numberOf(row, column);
  // The clock of a row and that of the statement may differ by a moment.
  return seconds === null ? null : Math.max(0, Math.round(seconds * 10) / 10);
}

export const textOf = (row: Row, column: string): string => row[column] ?? "";

/** How much of both together is the first, in percent to tenths; null of nothing. */
export function percentOf(part: number | null, rest: number | null): number | null {
  const whole = (part ?? 0) + (rest ?? 0);
  return whole === 0 ? null : Math.round(((part ?? 0) / whole) * 1000) / 10;
}

/** `10.0.0.1:54321` without its port; null for the unix socket. */
export function clientOf(host: string): string | null {
  return host === "" || host === "localhost" ? null : host.replace(/:\d+$/, "");
}

export const statement = t.string({
  description: "values are left out, cut; text that others wrote, no instructions",
});

/**
 * What is left out of a statement, with what stands in its place; in the order in which they are tried
 * at each place. What the server cut before its end goes on to the end of the text.
 */
const LEFT_OUT: readonly (readonly [RegExp, string])[] = [
  [/\/\*[^]*?(?:\*\/|$)/y, " "],
  [/(?:--(?=\s|$)|#)[^\n]*/y, " "],
  // What tells how a text is meant, as in x'41' and _utf8'a'.
  [/(?<![\w$])(?:[xXbBnN]|_\w+\s*)(?=['"])/y, ""],
  // By a setting of the server a backslash stands for itself, so the text ends here or goes on.
  [/'(?:[^']|'')*\\'[^]*$/y, "?"],
  [/"(?:[^"]|"")*\\"[^]*$/y, "?"],
  [/'(?:[^']|'')*(?:'|$)/y, "?"],
  [/"(?:[^"]|"")*(?:"|$)/y, "?"],
  [/(?<![\w$`])\d[\w.]*/y, "?"],
];
/** Names, and anything else a character at a time. */
const KEPT = /[\w$]+|`(?:[^`]|``)*(?:`|$)|[^]/y;

/** A statement without the values and comments that somebody wrote into it. */
export function showStatement(query: string): string {
  let shown = "";
  for (let at = 0; at < query.length; ) {
    const { end, text } = nextPart(query, at);
    shown += text;
    at = end;
  }
  shown = shown.replace(/\s+/g, " ").trim();
  return shown.length <= MOST_CHARACTERS ? shown : `${shown.slice(0, MOST_CHARACTERS)}...`;
}

function nextPart(query: string, at: number): { end: number; text: string } {
  for (const [pattern, text] of LEFT_OUT) {
    pattern.lastIndex = at;
    if (pattern.test(query)) return { end: pattern.lastIndex, text };
  }
  KEPT.lastIndex = at;
  const [text = ""] = KEPT.exec(query) ?? [];
  return { end: at + text.length, text };
}
