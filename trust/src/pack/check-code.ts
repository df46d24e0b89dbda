import { SondeError } from "@sonde/schemas";

const COMMENTS = String.raw`(?:\s|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/|//[^\n]*\n)*`;

/** What a pack's bundle never needs: ways to make code from text, and to reach beyond the isolate. */
const REFUSED = [
  { what: "eval", pattern: /\beval\b/ },
  { what: "the Function constructor", pattern: new RegExp(String.raw`\bFunction${COMMENTS}[(.]`) },
  {
    what: "the constructor of a function",
    pattern: new RegExp(String.raw`\.${COMMENTS}constructor${COMMENTS}\(`),
  },
  { what: "import", pattern: new RegExp(String.raw`\bimport${COMMENTS}[(.]`) },
  { what: "require", pattern: new RegExp(String.raw`\brequire${COMMENTS}\(`) },
  { what: "WebAssembly", pattern: /\bWebAssembly\b/ },
  { what: "shared memory", pattern: /\b(?:SharedArrayBuffer|Atomics)\b/ },
];

/**
 * A static look at a pack's `index.js`. It finds the honest mistake and the
 * lazy attack, also when identifiers are spelt with Unicode escapes; it is no
 * wall. The wall is the isolate, which has none of these.
 *
 * @throws SondeError CODE_REFUSED
 */
export function checkCode(code: Uint8Array): void {
  const text = decode(code);
  const unescaped = text.replace(/\\u(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{4}))/g, fromEscape);
  for (const { what, pattern } of REFUSED) {
    if (pattern.test(text) || pattern.test(unescaped)) {
      throw new SondeError("CODE_REFUSED", `index.js: expected no use of ${what}, got one`);
    }
  }
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
