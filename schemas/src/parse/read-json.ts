const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
/** Their closing counterparts are two further on. */
const BRACE = 0x7b;
const BRACKET = 0x5b;
const BLANK = new Set([0x20, 0x09, 0x0a, 0x0d]);

/** An object of the text has two members of this name. */
export class RepeatedName extends Error {
  readonly repeated: string;

  constructor(repeated: string) {
    super("a member is named twice");
    this.repeated = repeated;
  }
}

/** Levels of objects and arrays. What reads a value afterwards may recurse once a level. */
export const MAX_LEVELS = 256;

/** The text has more than MAX_LEVELS levels. */
export class TooDeep extends Error {}

/**
 * Reads a JSON text in which every object has each name once. JSON.parse keeps the last of two such
 * members and another parser may keep the first, so a text that one program checked could mean
 * something else to the next (RFC 8259, 4).
 *
 * JSON.parse of Node 24 has a defect besides: a name with an escape may be read as another name
 * that an earlier object had (nodejs/node#63785). Such a text is read by `rebuild`.
 *
 * Each member has exactly one colon outside of strings. Where a value has fewer members than its
 * text has such colons, JSON.parse dropped one. That comparison takes about half the time of
 * JSON.parse itself, and its cost is linear, whatever the depth.
 *
 * @throws SyntaxError, RepeatedName or TooDeep
 */
export function readJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const { members, hasEscapedName } = scan(text);
  return hasEscapedName || members !== countMembers(value) ? rebuild(text) : value;
}

/**
 * Counts the members in a valid JSON text, and looks for a name that is written with an escape.
 *
 * @throws TooDeep
 */
function scan(text: string): { members: number; hasEscapedName: boolean } {
  let members = 0;
  let hasEscapedName = false;
  let stringStart = 0;
  let levels = 0;
  let backslash = text.indexOf("\\");
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      stringStart = at;
      at = endOfString(text, at);
    } else if (code === BRACE || code === BRACKET) {
      levels += 1;
      if (levels > MAX_LEVELS) throw new TooDeep("too many levels");
    } else if (code === BRACE + 2 || code === BRACKET + 2) {
      levels -= 1;
    } else if (code === COLON) {
      members += 1;
      if (backslash === -1) continue;
      if (backslash < stringStart) backslash = text.indexOf("\\", stringStart);
      if (backslash !== -1 && backslash < at) hasEscapedName = true;
    }
  }
  return { members, hasEscapedName };
}

/** Has no recursion, so that no depth can exhaust the stack. */
function countMembers(root: unknown): number {
  let count = 0;
  const open: unknown[] = [root];
  while (open.length > 0) {
    const value = open.pop();
    if (Array.isArray(value)) {
      for (const item of value) if (typeof item === "object") open.push(item);
    } else if (typeof value === "object" && value !== null) {
      const members = value as Record<string, unknown>;
      for (const name of Object.keys(members)) {
        count += 1;
        if (typeof members[name] === "object") open.push(members[name]);
      }
    }
  }
  return count;
}

type Open = { items: unknown[] } | { members: Map<string, unknown>; name: string };

/**
 * Builds the value of a valid JSON text anew. Only single strings, numbers and words are given to
 * JSON.parse, which reads those correctly. It is several times slower than JSON.parse.
 *
 * @throws RepeatedName
 */
function rebuild(text: string): unknown {
  const root: unknown[] = [];
  const open: Open[] = [{ items: root }];
  const put = (value: unknown): void => {
    const into = open.at(-1);
    if (into === undefined) return;
    if ("items" in into) into.items.push(value);
    else into.members.set(into.name, value);
  };
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === COLON || BLANK.has(code) || text[at] === ",") continue;
    if (text[at] === "{") open.push({ members: new Map(), name: "" });
    else if (text[at] === "[") open.push({ items: [] });
    else if (text[at] === "}" || text[at] === "]") {
      const done = open.pop();
      // Object.fromEntries makes an own member of `__proto__` too.
      if (done !== undefined) put("items" in done ? done.items : Object.fromEntries(done.members));
    } else {
      const end = code === QUOTE ? endOfString(text, at) + 1 : endOfWord(text, at);
      const word = JSON.parse(text.slice(at, end)) as unknown;
      if (code === QUOTE && isBeforeColon(text, end)) enter(open.at(-1), word as string);
      else put(word);
      at = end - 1;
    }
  }
  return root[0];
}

function enter(object: Open | undefined, name: string): void {
  if (object === undefined || "items" in object) return;
  if (object.members.has(name)) throw new RepeatedName(name);
  object.name = name;
}

function isBeforeColon(text: string, from: number): boolean {
  let at = from;
  while (BLANK.has(text.charCodeAt(at))) at += 1;
  return text.charCodeAt(at) === COLON;
}

function endOfWord(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && !/[\s,\]}]/.test(text.charAt(at))) at += 1;
  return at;
}

/** @param start where the string's first quote is */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1;
  return backslashes % 2 === 1;
}
