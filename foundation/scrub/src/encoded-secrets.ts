import { type Secret, joinOverlaps } from "./replace-secrets.ts";

/** Says which rule finds a secret in a decoded text; undefined for none. */
export type FindKind = (decoded: string) => string | undefined;

/** No run with a secret in it is shorter, in characters. */
export const SHORTEST_ENCODED = 10;
/** A longer run is decoded up to here, in characters. */
const MOST_BASE64 = 1_048_576;

/** Four characters of Base64 (RFC 4648) that decode to three bytes below 128. */
const FOUR = "[ACDI-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]";
/**
 * Base64 whose first nine bytes are text. Digests, keys and certificates have bytes of 128 and above
 * there. Where it begins is looked at only behind the first four characters, which is faster.
 */
const BASE64 = new RegExp(
  `${FOUR}(?:(?<![A-Za-z0-9+/_-].{4})|(?<=\\\\[nrt].{4}))(?:${FOUR}){2}[A-Za-z0-9+/_-]{2,}={0,2}`,
  "g",
);
const BASE64_LINE = /(?:\r?\n|\\n)[ \t]{0,16}([A-Za-z0-9+/]{1,128}={0,2})(?=[\s"'\\]|$)/y;
/** The shortest line that another may follow. RFC 2045 has 76 characters in a line, PEM 64. */
const FULL_LINE = 60;
const HEX = /(?<![0-9A-Fa-f])(?:[2-7][0-9A-Fa-f]|0[9ADad]){9,}(?![0-9A-Fa-f])/g;
const PERCENT = /%[2-7][0-9A-Fa-f]/g;
const PERCENT_RUN = /(?:[\w.~+*!-]|%[0-9A-Fa-f]{2}){1,4096}/y;
const PERCENT_BEFORE = /(?<=([\w.~+*!-]{0,256}))/y;
/** What marks a run as written for JSON or a shell. A line break or a quote alone does not. */
const ESCAPE = /\\(?:u00[2-7][0-9A-Fa-f]|x[2-7][0-9A-Fa-f]|[01][0-7][0-7]|[/ =:@&$!#%^*()])/g;
const ESCAPED_RUN = /(?:\\[^\r\n]|[^\s"'\\[\]]){1,4096}/y;
const ESCAPED_BEFORE = /(?<=((?:\\["'\\]|[^\s"'\\[\]]){0,256}))/y;
/** Text as people and programs write it. */
const NO_TEXT = /[^\t\n\r -~\u00a0-\ufffc]/;

/**
 * Finds runs of Base64, hexadecimal digits, percent-encoding and escapes in which a secret is
 * written. Each is decoded once. All of the run is the secret.
 *
 * @returns in the order of the text, without overlap
 */
export function findEncoded(text: string, findKind: FindKind): readonly Secret[] {
  const found = [...findBase64(text, findKind), ...findHex(text, findKind)];
  if (text.includes("%")) found.push(...findRuns(text, PERCENTS, findKind));
  if (text.includes("\\")) found.push(...findRuns(text, ESCAPES, findKind));
  return joinOverlaps(found);
}

function* findBase64(text: string, findKind: FindKind): Generator<Secret> {
  BASE64.lastIndex = 0;
  for (let found = BASE64.exec(text); found !== null; found = BASE64.exec(text)) {
    const start = found.index;
    const end = endOfBlock(text, start, start + found[0].length);
    const bytes = Buffer.from(text.slice(start, Math.min(end, start + MOST_BASE64)), "base64");
    const kind = kindOf(decodeBytes(bytes), findKind);
    if (kind !== undefined) yield secret(start, end, kind);
    BASE64.lastIndex = end;
  }
}

/** The end of a block of Base64. Its lines are equally long, but for the last. */
function endOfBlock(text: string, start: number, firstEnd: number): number {
  let end = firstEnd;
  let [width, length] = [FULL_LINE, firstEnd - start];
  while (length >= width && text[end - 1] !== "=") {
    width = length;
    BASE64_LINE.lastIndex = end;
    const [whole, line] = BASE64_LINE.exec(text) ?? [];
    if (whole === undefined || line === undefined) break;
    length = line.length;
    end += whole.length;
  }
  return end;
}

/** UTF-16, as PowerShell encodes its commands, has a zero in each second byte. */
function decodeBytes(bytes: Buffer): string {
  return bytes.toString(bytes[1] === 0 ? "utf16le" : "utf8");
}

function* findHex(text: string, findKind: FindKind): Generator<Secret> {
  for (const { index, 0: run } of text.matchAll(HEX)) {
    const decoded = Buffer.from(run.slice(0, MOST_BASE64), "hex").toString("latin1");
    const kind = kindOf(decoded, findKind);
    if (kind !== undefined) yield secret(index, index + run.length, kind);
  }
}

type Escapes = { sign: RegExp; before: RegExp; run: RegExp; decode: (run: string) => string };

const PERCENTS: Escapes = {
  sign: PERCENT,
  before: PERCENT_BEFORE,
  run: PERCENT_RUN,
  decode: (run) =>
    run
      .replaceAll("+", " ")
      .replaceAll(/%([0-9A-Fa-f]{2})/g, (_, code: string) =>
        String.fromCharCode(Number.parseInt(code, 16)),
      ),
};

const ESCAPES: Escapes = {
  sign: ESCAPE,
  before: ESCAPED_BEFORE,
  run: ESCAPED_RUN,
  decode: (run) =>
    run.replaceAll(
      /\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([0-3][0-7]{2})|([nrt])|([^\r\n]))/g,
      (_, unicode?: string, hex?: string, octal?: string, blank?: string, other = "") => {
        const digits = unicode ?? hex;
        if (digits !== undefined) return String.fromCharCode(Number.parseInt(digits, 16));
        if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
        return blank === undefined ? String(other) : " ";
      },
    ),
};

function* findRuns(
  text: string,
  { sign, before, run, decode }: Escapes,
  findKind: FindKind,
): Generator<Secret> {
  let passed = 0;
  sign.lastIndex = 0;
  for (let found = sign.exec(text); found !== null; found = sign.exec(text)) {
    before.lastIndex = found.index;
    const start = Math.max(passed, found.index - (before.exec(text)?.[1]?.length ?? 0));
    run.lastIndex = start;
    const whole = run.exec(text)?.[0] ?? found[0];
    const kind = kindOf(decode(whole), findKind);
    passed = Math.max(start + whole.length, found.index + found[0].length);
    sign.lastIndex = passed;
    if (kind !== undefined) yield secret(start, passed, kind);
  }
}

function kindOf(decoded: string, findKind: FindKind): string | undefined {
  return NO_TEXT.test(decoded) ? undefined : findKind(decoded);
}

function secret(start: number, end: number, kind: string): Secret {
  return { start, end, kind, before: "", after: "" };
}
