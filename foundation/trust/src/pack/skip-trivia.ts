/**
 * Gives a function from a place in a script to the next place that is neither
 * blank nor in a comment that begins on the way. A run of comments is walked
 * once, from however many places it is reached: asking for every word of a text
 * costs about as much as reading it.
 */
export function createTriviaSkipper(text: string): (from: number) => number {
  const blanks = /\s*/y;
  const endOfLine = createFinder(text, /[\n\r\u2028\u2029]/g);
  const endOfBlock = createFinder(text, /\*\//g);
  const endOfRun = new Map<number, number>();

  return (from) => {
    const passed: number[] = [];
    let at = from;
    for (;;) {
      blanks.lastIndex = at;
      blanks.exec(text);
      const start = blanks.lastIndex;
      const find = commentFinder(text, start, endOfLine, endOfBlock);
      at = find === null ? start : find(start + 2);
      const end = find === null ? start : endOfRun.get(at);
      if (end !== undefined) {
        for (const place of passed) endOfRun.set(place, end);
        return end;
      }
      passed.push(at);
    }
  };
}

type Finder = (from: number) => number;

function commentFinder(
  text: string,
  at: number,
  endOfLine: Finder,
  endOfBlock: Finder,
): Finder | null {
  if (text.startsWith("//", at)) return endOfLine;
  return text.startsWith("/*", at) ? endOfBlock : null;
}

/** Where the first match at or after a place ends; without one, the text's end. */
function createFinder(text: string, pattern: RegExp): Finder {
  const matches = Array.from(text.matchAll(pattern), ({ 0: match, index }) => ({
    index,
    end: index + match.length,
  }));
  return (from) => {
    let low = 0;
    let high = matches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((matches[middle]?.index ?? 0) < from) low = middle + 1;
      else high = middle;
    }
    return matches[low]?.end ?? text.length;
  };
}
