import { SondeError } from "@sonde/schemas/errors";
import { createTriviaSkipper } from "./skip-trivia.ts";

type SkipTrivia = ReturnType<typeof createTriviaSkipper>;

/** Words that a pack's bundle never needs: they make code from text or reach beyond the isolate. */
const REFUSED_WORDS = [
  { what: "eval", pattern: /\beval\b/ },
  { what: "WebAssembly", pattern: /\bWebAssembly\b/ },
  { what: "shared memory", pattern: /\b(?:SharedArrayBuffer|Atomics)\b/ },
];

/** Words that are refused when one of these characters follows, after blanks and comments. */
const REFUSED_USES = [
  { what: "the Function constructor", word: /\bFunction/g, followedBy: "(." },
  { what: "import", word: /\bimport/g, followedBy: "(." },
  { what: "require", word: /\brequire/g, followedBy: "(" },
];

/**
 * Checks a pack's `index.js` statically. Finds mistakes and simple attacks, also in
 * identifiers with Unicode escapes. It is no security boundary; the isolate is, and has
 * none of these features. The code is untrusted, so the check takes linear time.
 *
 * @throws SondeError CODE_REFUSED
 */
export function checkCode(code: Uint8Array): void {
  const text = decode(code);
  const unescaped = text.replace(/\\u(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{4}))/g, fromEscape);
  for (const spelling of new Set([text, unescaped])) {
    const what = findRefused(spelling);
    if (what !== undefined) {
      throw new SondeError("CODE_REFUSED", `index.js: expected no use of ${what}, got one`);
    }
  }
}

function findRefused(text: string): string | undefined {
  const skip = createTriviaSkipper(text);
  const found =
    REFUSED_WORDS.find(({ pattern }) => pattern.test(text)) ??
    REFUSED_USES.find((use) => isUsed(text, skip, use));
  if (found !== undefined) return found.what;
  return callsConstructor(text, skip) ? "the constructor of a function" : undefined;
}

function isUsed(
  text: string,
  skip: SkipTrivia,
  { word, followedBy }: (typeof REFUSED_USES)[number],
): boolean {
  for (const { 0: found, index } of text.matchAll(word)) {
    const next = text[skip(index + found.length)];
    if (next !== undefined && followedBy.includes(next)) return true;
  }
  return false;
}

/** True for `x.constructor(...)`. A class's own `constructor(...)` has no dot before it. */
function callsConstructor(text: string, skip: SkipTrivia): boolean {
  const word = "constructor";
  for (let dot = text.indexOf("."); dot !== -1; dot = text.indexOf(".", dot + 1)) {
    const start = skip(dot + 1);
    if (text.startsWith(word, start) && text[skip(start + word.length)] === "(") return true;
  }
  return false;
}

function fromEscape(escape: string, braced: string | undefined, plain: string | undefined): string {
  const point = Number.parseInt(braced ?? plain ?? "", 16);
  return point <= 0x10ffff ? String.fromCodePoint(point) : escape;
}

function decode(code: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(code);
  } catch (cause) {
    throw new SondeError("CODE_REFUSED", "index.js: expected UTF-8, got something else", { cause });
  }
}
