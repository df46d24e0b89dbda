/** The most characters of a statement that are shown. */
const MOST_CHARACTERS = 300;

/**
 * What is left out of a statement: a sticky pattern, or a function that says where it ends when it
 * begins at a place; with what stands in its place.
 */
export type LeftOut = readonly [RegExp | ((query: string, at: number) => number | null), string];

/**
 * A statement without the values and comments that somebody wrote into it, on one line, cut.
 *
 * @param leftOut in the order in which they are tried at each place
 * @param kept sticky; names as a whole, and anything else a character at a time
 */
export function maskStatement(query: string, leftOut: readonly LeftOut[], kept: RegExp): string {
  let masked = "";
  for (let at = 0; at < query.length; ) {
    const { end, text } = nextPart(query, at, leftOut, kept);
    masked += text;
    at = end;
  }
  masked = masked.replace(/\s+/g, " ").trim();
  return masked.length <= MOST_CHARACTERS ? masked : `${masked.slice(0, MOST_CHARACTERS)}...`;
}

function nextPart(query: string, at: number, leftOut: readonly LeftOut[], kept: RegExp) {
  for (const [found, text] of leftOut) {
    const end = typeof found === "function" ? found(query, at) : endOf(found, query, at);
    if (end !== null) return { end, text };
  }
  const end = endOf(kept, query, at) ?? at + 1;
  return { end, text: query.slice(at, end) };
}

function endOf(pattern: RegExp, query: string, at: number): number | null {
  pattern.lastIndex = at;
  return pattern.test(query) ? pattern.lastIndex : null;
}
