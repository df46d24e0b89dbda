import { anyCase } from "./any-case.ts";
import { CANDIDATES, type Candidate, readCandidate, readOption } from "./candidates.ts";
import { isExpression, isSentence } from "./expressions.ts";
import { isNoSecret } from "./no-secrets.ts";
import type { Secret } from "./replace-secrets.ts";
import { isSecretName, kindOfName } from "./secret-names.ts";
import { isNoName, isVariable } from "./surroundings.ts";

/** A value: quoted, quoted inside a JSON string, or bare. */
const QUOTED =
  /&(?:quot|apos|#34|#39);[^&\r\n]+(?:&(?:quot|apos|#34|#39);)?|"(?:[^"\\\r\n]|\\.)+"?|\\"(?:[^"\\\r\n]|\\[^"])+(?:\\")?|''[^'\r\n]+''|'[^'\r\n]+'?|`[^`\r\n]+`?/y;
const QUOTE = /^(?:\\"|''|&[a-z0-9#]{2,4};|.)/;
/** The letters before a quote in SQL, Python and C#, as in `N'...'`. */
const STRING_PREFIX = /[bBrRuUfFN@$]{1,2}(?=["'])/y;
/** Excludes the start of an object or a list. What `sops` has encrypted is one value. */
const BARE = /ENC\[[^\]\s"']{1,4000}\]|(?!\$\{\{|[{[]\s{0,4}["'{[}\]\\]|[{[]\s)[^\s\0"'\\,;&]+/y;
const TAG_END = /["']\s{0,4}>/y;
const PAIR_VALUE = /["'\\]{0,2}([\w.-]{1,100})/y;
const AUTHORIZATION =
  /(?:[fFbBrR$](?=["'`]))?["'`\\]{0,2}((?:[A-Za-z][A-Za-z0-9-]{2,23}[ \t]{1,4})?(?:[A-Za-z]{1,20}="[^"\r\n]{0,500}"|[^\s"'`\\,;]+)(?:,?[ \t]{0,4}[A-Za-z]{1,20}=(?:"[^"\r\n]{0,500}"|[^\s"'\\,]+))*)/y;
const COOKIE = /["'\\]{0,2}([^\s"'\\][^\r\n"'\\]*)/y;
const BLOCK = /[|>][+-]?\d?[+-]?[ \t]*\r?\n/y;
const NEXT_LINE = /\r?\n([ \t]*)(?=\S)(-[ \t]+)?/y;
const WORDS = /(?:[ \t]+[^\s:=]+){1,8}(?=[ \t]*(?:[\r\n]|$))/y;
const ELEMENT = /\s{0,20}(?:<!\[CDATA\[)?([^<\]]{1,4000})/y;
const REST_OF_LINE = /[^\r\n\0]+/y;
const REST_OF_STRING = /[^"\\\r\n]+/y;
const PAIR_NAME = new RegExp(`^(?:${anyCase("name")}|${anyCase("key")})$`);
const PAIR_MEMBER = new RegExp(`^(?:${anyCase("value")}|default)$`);
const PAIR_ELEMENT = /^(?:value|string)$/;
const MORE_ITEMS = /(?:\r?\n[ \t]{0,40}- [^\s:#]{1,200}[ \t]{0,20}(?=\r?\n|$)){1,200}/y;

/** Finds the values that a name in the text marks as secrets. */
export function findNamed(unbroken: string): Secret[] {
  // A line break before the first line lets the pattern find each line by its break, which is faster.
  const text = `\n${unbroken}`;
  const secrets: Secret[] = [];
  let pair: Pair;
  CANDIDATES.lastIndex = 0;
  for (let found = CANDIDATES.exec(text); found !== null; found = CANDIDATES.exec(text)) {
    const candidate = readCandidate(found);
    if (PAIR_NAME.test(candidate.name)) pair = readPair(text, candidate);
    else if (opensObject(text, candidate)) pair = readObject(candidate);
    const secret = readOption(text, found) ?? readSecret(text, candidate, pair);
    if (secret === undefined) {
      // An attribute of the element may be the name of a pair.
      if (candidate.separator === "<") CANDIDATES.lastIndex = found.index + 1;
      continue;
    }
    CANDIDATES.lastIndex = secret.end;
    secrets.push({ ...secret, start: secret.start - 1, end: secret.end - 1 });
  }
  return secrets;
}

/** Reads `name: DB_PASSWORD`. The member `value` or the element's text that follows is the secret. */
function readPair(text: string, { valueAt }: Candidate): Pair {
  const found = matchAt(PAIR_VALUE, text, valueAt);
  const name = found?.[1];
  if (found === undefined || name === undefined || !isSecretName(name)) return undefined;
  const end = valueAt + found[0].length;
  const tag = matchAt(TAG_END, text, end)?.[0];
  return { name, until: end + 60, elementAt: tag === undefined ? undefined : end + tag.length };
}

/** True before the members of a secret's name, as in `variable "db_password" {`. */
function opensObject(text: string, { name, valueAt, separator }: Candidate): boolean {
  return (separator === "{" || text[valueAt] === "{") && isSecretName(name);
}

/** Reads no further than an object's first members. One named `value` or `default` is the secret. */
function readObject({ name, valueAt }: Candidate): Pair {
  return { name, until: valueAt + 80, elementAt: undefined };
}

type Pair = { name: string; until: number; elementAt: number | undefined } | undefined;

function readSecret(text: string, found: Candidate, pair: Pair): Secret | undefined {
  if (pair?.elementAt !== undefined && PAIR_NAME.test(found.name)) {
    return readElement(text, { ...found, name: pair.name, valueAt: pair.elementAt });
  }
  const member = found.separator === "<" ? PAIR_ELEMENT : PAIR_MEMBER;
  const isPair = pair !== undefined && member.test(found.name) && found.start < pair.until;
  const candidate = isPair ? { ...found, name: pair.name } : found;
  const { name, start, valueAt, separator } = candidate;
  // The name of a marker is none.
  if (!isSecretName(name) || text.slice(start - 10, start) === "[redacted:") return undefined;
  if (isNoName(text, candidate)) return undefined;
  if (separator === "<") return readElement(text, candidate);
  if (separator === "{") return undefined;
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
  if (separator === ",") return readArgument(text, candidate);
  if (matchAt(BLOCK, text, valueAt) !== undefined) return readBlock(text, candidate);
  return readValue(text, candidate, valueAt) ?? readNextLine(text, candidate);
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

function readValue(text: string, candidate: Candidate, from: number): Secret | undefined {
  if (candidate.separator !== "--" && isExpression(text, from)) return undefined;
  const at = from + (matchAt(STRING_PREFIX, text, from)?.[0].length ?? 0);
  const quoted = matchAt(QUOTED, text, at)?.[0];
  if (quoted !== undefined) {
    const quote = QUOTE.exec(quoted)?.[0] ?? "";
    const isClosed = quoted.length > quote.length && quoted.endsWith(quote);
    const inner = quoted.slice(quote.length, isClosed ? -quote.length : undefined);
    return toSecret(candidate, at + quote.length, inner);
  }
  let value = matchAt(BARE, text, at)?.[0];
  if (value === undefined) return undefined;
  // The brackets that close what the name stands in.
  if (!/[([{]/.test(value)) value = value.replace(/[)\]}]{1,20}$/, "");
  // What ends a statement or a clause, as in `token=None):`.
  const judged = value.replace(/[)\]}]{0,20}[:;.]$/, "");
  if (isNoSecret(candidate.name, judged) || isVariable(text, candidate, value)) return undefined;
  const kind = kindOfName(candidate.name);
  const mayBePhrase = kind === "password" || kind === "secret";
  if (candidate.separator === ":" && isSentence(text, at, mayBePhrase)) return undefined;
  if (kind === "password" && isLineStart(text, candidate)) {
    value += matchAt(WORDS, text, at + value.length)?.[0] ?? "";
  }
  const secret = toSecret(candidate, at, value);
  // A bare number of a JSON member becomes a string, so that the text stays JSON.
  const isMember = /"\s{0,4}:\s{0,40}$/.test(text.slice(Math.max(0, at - 48), at));
  return secret && isMember ? { ...secret, before: '"', after: '"' } : secret;
}

/** Reads `define('DB_PASSWORD', 'x1')`. A list of names has only words. */
function readArgument(text: string, candidate: Candidate): Secret | undefined {
  const secret = readValue(text, candidate, candidate.valueAt);
  if (secret === undefined) return undefined;
  return /^[A-Za-z_. -]*$/.test(text.slice(secret.start, secret.end)) ? undefined : secret;
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
  const first = readValue(text, candidate, at);
  const isItem = found[2] !== undefined && first !== undefined;
  return isItem ? { ...first, end: endOfItems(text, first.end) } : first;
}

/** The further items of a list become part of the same secret. */
function endOfItems(text: string, end: number): number {
  return end + (matchAt(MORE_ITEMS, text, end)?.[0].length ?? 0);
}

/** Reads the text of an element. A usage line such as `login <token> now` has no end tag. */
function readElement(text: string, candidate: Candidate): Secret | undefined {
  const found = matchAt(ELEMENT, text, candidate.valueAt);
  const value = found?.[1]?.trim();
  if (found === undefined || value === undefined || value === "") return undefined;
  const after = candidate.valueAt + found[0].length;
  if (value.startsWith("@")) return undefined;
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
