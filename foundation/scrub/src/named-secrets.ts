import { anyCase } from "./any-case.ts";
import { NAME_END, isNoSecret, isSecretName, kindOfName } from "./secret-names.ts";

/** A part of a text that is replaced, and the text in its place around the marker. */
type Secret = { start: number; end: number; kind: string; before: string; after: string };
/** A name in the text with the end of what separates it from its value. */
type Candidate = { name: string; start: number; valueAt: number; separator: string };

/**
 * Finds `NAME=`, `"name":`, `name =>`, `--name `, `<name>`, and a line such as `requirepass x1`
 * of a configuration. The name is matched backwards
 * from its separator and at most 100 characters long, so the time is linear.
 */
const CANDIDATES = new RegExp(
  [
    `[:=](?<=([\\w.-]{0,100}${NAME_END})["'\\\\\\]]{0,3}[ \\t]{0,4}[:=])(?:(?<=:)=|(?<==)(?:>|==?))?[ \\t]{0,40}`,
    `%3[ADad](?<=([\\w.-]{0,100}${NAME_END})%3[ADad])`,
    `(?<![\\w.-])--([A-Za-z][\\w.-]{0,79})(?![\\w.-])(?<=${NAME_END})[\\s\\0]{1,4}(?!-)`,
    `(?:^|\\n)[ \\t]{0,40}([\\w.-]{1,80})[ \\t]{1,20}(?<=${NAME_END}[ \\t]{1,20})(?:[0-9] )?(?=\\S{6,200}[ \\t]*(?:[\\r\\n]|$))(?=\\S*[0-9])(?=\\S*[A-Za-z])(?![:=])`,
    `<([\\w.:-]{1,100})(?<=${NAME_END})(?:\\s[^<>]{0,300})?(?<!/)>`,
  ].join("|"),
  "g",
);

/** A value: quoted, quoted inside a JSON string, or bare. */
const QUOTED =
  /"(?:[^"\\\r\n]|\\.)+"?|\\"(?:[^"\\\r\n]|\\[^"])+(?:\\")?|'[^'\r\n]+'?|`[^`\r\n]+`?/y;
/** Excludes the start of an object or a list. */
const BARE = /(?!\$\{\{|[{[]\s{0,4}["'{[}\]\\]|[{[]\s)[^\s\0"'\\,;&]+/y;
const TAG_END = /["']\s{0,4}>/y;
const PAIR_VALUE = /["'\\]{0,2}([\w.-]{1,100})/y;
const AUTHORIZATION =
  /["'`\\]{0,2}((?:[A-Za-z][A-Za-z0-9-]{2,23}[ \t]{1,4})?[^\s"'\\,;]+(?:,?[ \t]{0,4}[A-Za-z]{1,20}=(?:"[^"\r\n]{0,500}"|[^\s"'\\,]+))*)/y;
const COOKIE = /["'\\]{0,2}([^\s"'\\][^\r\n"'\\]*)/y;
const BLOCK = /[|>][+-]?\d?[+-]?[ \t]*\r?\n/y;
const NEXT_LINE = /\r?\n([ \t]*)(?=\S)(-[ \t]+)?/y;
const WORDS = /(?:[ \t]+[^\s:=]+){1,8}(?=[ \t]*(?:[\r\n]|$))/y;
const ELEMENT = /\s{0,20}(?:<!\[CDATA\[)?([^<\]]{1,4000})/y;
const REST_OF_LINE = /[^\r\n\0]+/y;
const REST_OF_STRING = /[^"\\\r\n]+/y;
const PAIR_NAME = new RegExp(`^(?:${anyCase("name")}|${anyCase("key")})$`);
const PAIR_MEMBER = new RegExp(`^${anyCase("value")}$`);

/** Replaces the values that a name in the text marks as secrets. */
export function scrubNamed(text: string, mark: (kind: string) => string): string {
  let clean = "";
  let copied = 0;
  let pair: Pair;
  CANDIDATES.lastIndex = 0;
  for (let found = CANDIDATES.exec(text); found !== null; found = CANDIDATES.exec(text)) {
    const candidate = readCandidate(found);
    if (PAIR_NAME.test(candidate.name)) pair = readPair(text, candidate);
    const secret = readSecret(text, candidate, pair);
    if (secret === undefined) continue;
    clean += text.slice(copied, secret.start) + secret.before + mark(secret.kind) + secret.after;
    copied = secret.end;
    CANDIDATES.lastIndex = copied;
  }
  return clean + text.slice(copied);
}

function readCandidate(found: RegExpExecArray): Candidate {
  const [whole, assigned, encoded, option, directive, element] = found;
  const valueAt = found.index + whole.length;
  const toCandidate = (name: string, separator: string): Candidate => {
    const isBefore = assigned !== undefined || encoded !== undefined;
    const from = isBefore ? found.index - name.length : found.index + whole.indexOf(name);
    return { name, start: found.input.lastIndexOf(name, from), valueAt, separator };
  };
  if (element !== undefined) return toCandidate(element.slice(element.indexOf(":") + 1), "<");
  if (option !== undefined) return toCandidate(option, "--");
  if (directive !== undefined) return toCandidate(directive, " ");
  return toCandidate(assigned ?? encoded ?? "", whole.trim());
}

/** Reads `name: DB_PASSWORD`. The member `value` or the element's text that follows is the secret. */
function readPair(text: string, { valueAt }: Candidate) {
  const found = matchAt(PAIR_VALUE, text, valueAt);
  const name = found?.[1];
  if (found === undefined || name === undefined || !isSecretName(name)) return undefined;
  const end = valueAt + found[0].length;
  const tag = matchAt(TAG_END, text, end)?.[0];
  return { name, until: end + 60, elementAt: tag === undefined ? undefined : end + tag.length };
}

type Pair = ReturnType<typeof readPair>;

function readSecret(text: string, found: Candidate, pair: Pair): Secret | undefined {
  if (pair?.elementAt !== undefined && PAIR_NAME.test(found.name)) {
    return readElement(text, { ...found, name: pair.name, valueAt: pair.elementAt });
  }
  const isPair = pair !== undefined && PAIR_MEMBER.test(found.name) && found.start < pair.until;
  const candidate = isPair ? { ...found, name: pair.name } : found;
  const { name, start, valueAt, separator } = candidate;
  // The name of a marker is none.
  if (!isSecretName(name) || text.slice(start - 10, start) === "[redacted:") return undefined;
  if (separator === "<") return readElement(text, candidate);
  // A scheme, as in `auth://`, or a scope, as in `Token::new`.
  if (separator === ":" && /^(?:\/\/|:)/.test(text.slice(valueAt, valueAt + 2))) return undefined;
  const folded = name.toLowerCase();
  if (folded.endsWith("authorization")) return readPart(AUTHORIZATION, text, candidate);
  if (folded.endsWith("cookie") && separator === ":") return readPart(COOKIE, text, candidate);
  if (separator === "=" && /^[A-Z0-9_]{1,80}$/.test(name) && text[valueAt - 1] === "=") {
    const line = readVariable(text, start, candidate);
    if (line !== undefined) return line;
  }
  // The line of a test's report.
  if (text.slice(start - 4, start) === "--- ") return undefined;
  if (separator === "--" || separator === " ") return readValue(text, candidate, valueAt);
  return (
    readBlock(text, candidate) ??
    readValue(text, candidate, valueAt) ??
    readNextLine(text, candidate)
  );
}

/** Reads a line of an .env file, an environment or a container's Env. The rest is the value. */
function readVariable(text: string, start: number, candidate: Candidate): Secret | undefined {
  const before = text.slice(Math.max(0, start - 8), start);
  const isLine = /(?:^|[\n\0])(?:export )?$/.test(before);
  const pattern = isLine ? REST_OF_LINE : before.endsWith('"') ? REST_OF_STRING : undefined;
  const value = pattern && matchAt(pattern, text, candidate.valueAt)?.[0];
  if (value === undefined) return undefined;
  const quote = /^(["']).*\1$/s.exec(value)?.[1]?.length ?? 0;
  const inner = value.slice(quote, value.length - quote);
  return toSecret(candidate, candidate.valueAt + quote, inner);
}

function readPart(pattern: RegExp, text: string, candidate: Candidate): Secret | undefined {
  const found = matchAt(pattern, text, candidate.valueAt);
  const value = found?.[1];
  if (found === undefined || value === undefined) return undefined;
  return toSecret(candidate, candidate.valueAt + found[0].length - value.length, value);
}

function readValue(text: string, candidate: Candidate, at: number): Secret | undefined {
  const quoted = matchAt(QUOTED, text, at)?.[0];
  if (quoted !== undefined) {
    const quote = quoted.startsWith("\\") ? quoted.slice(0, 2) : quoted.slice(0, 1);
    const isClosed = quoted.length > quote.length && quoted.endsWith(quote);
    const inner = quoted.slice(quote.length, isClosed ? -quote.length : undefined);
    return toSecret(candidate, at + quote.length, inner);
  }
  let value = matchAt(BARE, text, at)?.[0];
  if (value === undefined) return undefined;
  // The brackets that close what the name stands in.
  if (!/[([{]/.test(value)) value = value.replace(/[)\]}]{1,20}$/, "");
  if (isNoSecret(candidate.name, value)) return undefined;
  if (isLineStart(text, candidate) && kindOfName(candidate.name) === "password") {
    value += matchAt(WORDS, text, at + value.length)?.[0] ?? "";
  }
  const secret = toSecret(candidate, at, value);
  // A bare number of a JSON member becomes a string, so that the text stays JSON.
  const isMember = /"\s{0,4}:\s{0,40}$/.test(text.slice(Math.max(0, at - 48), at));
  return secret && isMember ? { ...secret, before: '"', after: '"' } : secret;
}

function isLineStart(text: string, { start, separator }: Candidate): boolean {
  if (separator !== ":" && separator !== "=") return false;
  return /(?:^|\n)[ \t]{0,40}(?:- )?$/.test(text.slice(Math.max(0, start - 43), start));
}

/** Reads a block scalar of YAML: the lines that are indented further than their name. */
function readBlock(text: string, candidate: Candidate): Secret | undefined {
  const header = matchAt(BLOCK, text, candidate.valueAt)?.[0];
  if (header === undefined) return undefined;
  const lineAt = text.lastIndexOf("\n", candidate.start) + 1;
  const indent = /^[ \t-]{0,200}/.exec(text.slice(lineAt, lineAt + 200))?.[0].length ?? 0;
  const first = candidate.valueAt + header.length;
  let end = first;
  for (let at = first; at < text.length; ) {
    const next = text.indexOf("\n", at);
    const line = text.slice(at, next === -1 ? text.length : next);
    const isBlank = line.trim() === "";
    if (!isBlank && line.length - line.trimStart().length <= indent) break;
    if (!isBlank) end = at + line.length;
    at += line.length + 1;
  }
  const block = text.slice(first, end);
  const value = block.trimStart();
  return value === "" ? undefined : toSecret(candidate, end - value.length, value);
}

/** Reads a value on the line after its name, as YAML permits. A member there has its own name. */
function readNextLine(text: string, candidate: Candidate): Secret | undefined {
  const found = matchAt(NEXT_LINE, text, candidate.valueAt);
  if (found === undefined) return undefined;
  const at = candidate.valueAt + found[0].length;
  const rest = text.slice(at, at + 500);
  if (/^["']/.test(rest)) return readValue(text, candidate, at);
  if (!/^[^\s:=#<>-][^\s:=]*=*[ \t]*(?:[\r\n]|$)/.test(rest)) return undefined;
  return readValue(text, candidate, at);
}

/** Reads the text of an element. A usage line such as `login <token> now` has no end tag. */
function readElement(text: string, candidate: Candidate): Secret | undefined {
  const found = matchAt(ELEMENT, text, candidate.valueAt);
  const value = found?.[1]?.trim();
  if (found === undefined || value === undefined || value === "") return undefined;
  const after = candidate.valueAt + found[0].length;
  const isClosed = text.startsWith("</", after) || text.startsWith("]]>", after);
  if (!isClosed && !(after === text.length && !/\s/.test(value))) return undefined;
  const at = text.indexOf(value, candidate.valueAt + found[0].length - (found[1]?.length ?? 0));
  return toSecret(candidate, at, value);
}

function toSecret({ name }: Candidate, start: number, value: string): Secret | undefined {
  // A marker of an earlier pass stays.
  if (value === "" || value.startsWith("[redacted:") || isNoSecret(name, value)) return undefined;
  return { start, end: start + value.length, kind: kindOfName(name), before: "", after: "" };
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}
