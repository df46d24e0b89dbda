/**
 * Returns a function that skips blanks and comments: from a place in a script to the next
 * place in neither. Each run of comments is scanned once and cached, so that a skip at
 * every word of a script takes linear time in all.
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

/**
 * Returns a function that finds the end of the first match at or after a place, else the
 * end of the text.
 */
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
