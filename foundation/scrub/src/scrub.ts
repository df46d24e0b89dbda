import { SondeError } from "@sonde/schemas/errors";
import { type Redactions } from "@sonde/schemas/wire";
import { isNoSecret } from "./no-secrets.ts";
import { type OwnRules, type OwnRun, findOwn } from "./own-patterns.ts";
import { scrubPlainText } from "./plain-text.ts";
import { linesOfPrivateKeys } from "./private-keys.ts";
import { MARKER, type Secret, type Shown, type Window, markerOf } from "./replace-secrets.ts";
import type { SecretNumbers } from "./secret-numbers.ts";
import { isSecretName, isSecretOption, kindOfName } from "./secret-names.ts";

/** A deeper value is refused, since no part may go unchecked. */
const MAX_DEPTH = 64;
/** The private members of a JSON Web Key (RFC 7518, section 6). */
const JWK_SECRET = /^(?:d|p|q|dp|dq|qi|k)$/;

/** The time limit of one scrub run and what it has replaced so far. One per call. */
export type ScrubRun = {
  /** Time in ms, by the clock `now`, after which the value is dropped. */
  deadline: number;
  now: () => number;
  counts: Map<string, number>;
  /** The operator's own patterns. Without them only the built-in rules apply. */
  own?: OwnRun | undefined;
  /** Numbers equal secrets alike. Without it markers have no number. */
  numbers?: SecretNumbers | undefined;
  /** Called with each secret of a text that is no JSON, and where it stands in that text. */
  onPlace?: ((secret: Secret) => void) | undefined;
};

/**
 * Replaces every secret in a value by a typed marker such as `[redacted:jwt]`. Used for
 * every value that leaves the agent or is recorded. Applies member names first, then text
 * rules. Covers every string, member name and JSON text inside a string.
 *
 * @returns a new value of the same shape; the argument is not changed
 * @throws SondeError SCRUB_FAILED when it takes too long or the value is too deep; the
 *   caller must drop the value
 */
export function scrub(value: unknown, run: ScrubRun): unknown {
  return scrubAt(value, run, 0);
}

/**
 * Scrubs a whole text and returns the part in the window. So a secret is recognised whose
 * name, head or end stands outside of the window. Counts what is in the window only, but
 * all of a text that is JSON.
 *
 * @throws SondeError SCRUB_FAILED, as `scrub` does
 */
export function scrubWindow(text: string, window: Window, run: ScrubRun): string {
  const { from, to } = window;
  if (parseInnerJson(text) === undefined) {
    requireTime(run);
    const shown = scrubPlain(text, window, run);
    return shown.text.slice(shown.window.from, shown.window.to);
  }
  const clean = scrubText(text, run, 0);
  // A JSON text that was written anew has other places. It is scrubbed as a whole, so any part may be shown.
  const start = from === 0 ? 0 : Math.max(0, clean.length - (text.length - from));
  return clean.slice(start, start + to - from);
}

/** How much text behind a cut is looked at, so that a secret at the cut is recognised. */
export const REACH_AFTER = 16_384;

/**
 * Scrubs one sentence, such as an error message, for a record or a report, and cuts it.
 * Drops a text that cannot be scrubbed. Looks at little text, so there is no time limit.
 *
 * @param most its longest form, in characters
 * @param own the operator's own patterns
 */
export function scrubSentence(text: string, most: number, own: OwnRules = []): string {
  try {
    const run = {
      deadline: 0,
      now: () => 0,
      counts: new Map<string, number>(),
      own: startOwn(own),
    };
    return cutSentence(text, most, run);
  } catch (thrown) {
    if (!(thrown instanceof SondeError)) throw thrown;
    return "The text could not be scrubbed and was dropped.";
  }
}

/** Scrubs the beginning of a text. @throws SondeError SCRUB_FAILED, as `scrub` does */
export function cutSentence(text: string, most: number, run: ScrubRun): string {
  const looked = text.slice(0, most + REACH_AFTER);
  return scrubWindow(looked, { from: 0, to: most }, run).slice(0, most);
}

/** Begins to count the time that one call spends on the operator's patterns. */
export function startOwn(rules: OwnRules): OwnRun | undefined {
  return rules.length === 0 ? undefined : { rules, spentMs: 0 };
}

/** Counts what was replaced so far, by rule. */
export function buildRedactions(run: ScrubRun): Redactions {
  const rules = Object.fromEntries([...run.counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { count: [...run.counts.values()].reduce((sum, count) => sum + count, 0), rules };
}

function scrubAt(value: unknown, run: ScrubRun, depth: number): unknown {
  if (depth > MAX_DEPTH) {
    throw new SondeError("SCRUB_FAILED", `expected at most ${MAX_DEPTH} levels, got more`);
  }
  if (typeof value === "string") return scrubText(value, run, depth);
  if (Array.isArray(value)) return scrubList(value, run, depth);
  if (typeof value === "object" && value !== null) return scrubMembers(value, run, depth);
  if (typeof value === "number") return scrubNumber(value, run);
  return value;
}

/** A number becomes a marker only by a pattern of the operator's. */
function scrubNumber(value: number, run: ScrubRun): unknown {
  const [found] = run.own === undefined ? [] : findOwn(String(value), run.own, run.now);
  return found === undefined ? value : mark(found.kind, String(value), run);
}

function scrubList(list: unknown[], run: ScrubRun, depth: number): unknown[] {
  const keyLines = linesOfPrivateKeys(list);
  return list.map((item, index) => {
    if (typeof item === "string" && keyLines.has(index)) {
      return item === "" ? item : mark("private-key", item, run);
    }
    const before: unknown = index === 0 ? undefined : list[index - 1];
    // A secret in an argv, as in ["--password", "hunter2"].
    const follows = typeof before === "string" && isSecretOption(before);
    return follows ? redactLeaves(item, before, run, depth) : scrubAt(item, run, depth + 1);
  });
}

function scrubMembers(value: object, run: ScrubRun, depth: number): object {
  const members = new Map<string, unknown>();
  const named = nameOfPair(value);
  const isJwk = "kty" in value;
  for (const [key, member] of Object.entries(value)) {
    const secretName = isSecretName(key)
      ? key
      : named !== null && /^value$/i.test(key)
        ? named
        : isJwk && JWK_SECRET.test(key)
          ? "key"
          : null;
    const clean =
      secretName === null || isSettings(secretName, member)
        ? scrubAt(member, run, depth + 1)
        : redactLeaves(member, secretName, run, depth + 1);
    members.set(freeKey(scrubText(key, run, MAX_DEPTH), members), clean);
  }
  // Object.fromEntries defines members, so a member named __proto__ stays an ordinary one.
  return Object.fromEntries(members);
}

/**
 * Returns the secret's name in `{ "name": "DB_PASSWORD", "value": ... }`, a form that
 * container tools use.
 */
function nameOfPair(value: object): string | null {
  for (const [key, member] of Object.entries(value)) {
    if (/^(?:name|key)$/i.test(key) && typeof member === "string" && isSecretName(member)) {
      return member;
    }
  }
  return null;
}

/** Renames a member when its name became a marker that is already taken, so that both stay. */
function freeKey(key: string, members: Map<string, unknown>): string {
  let free = key;
  for (let copy = members.size + 1; members.has(free); copy += 1) free = `${key}#${copy}`;
  return free;
}

/** True for an `auth` with members. Each of them then counts by its own name. */
function isSettings(name: string, value: unknown): boolean {
  return /auth$|auths$/i.test(name) && typeof value === "object" && !Array.isArray(value);
}

/** Members that describe a secret: `{"token": {"expires": 3600}}`. */
const ABOUT =
  /^(?:type|format|alg|algorithm|role|scheme|enabled|version|ttl|(?:created|updated|expires)(?:_?(?:at|in))?|(?:min|max)_?length)$/i;

/** Replaces every value beneath a secret's name, except those that are no secret. */
function redactLeaves(value: unknown, name: string, run: ScrubRun, depth: number): unknown {
  if (depth > MAX_DEPTH) {
    throw new SondeError("SCRUB_FAILED", `expected at most ${MAX_DEPTH} levels, got more`);
  }
  if (Array.isArray(value)) return value.map((item) => redactLeaves(item, name, run, depth + 1));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [
        scrubText(key, run, MAX_DEPTH),
        ABOUT.test(key)
          ? scrubAt(member, run, depth + 1)
          : redactLeaves(member, name, run, depth + 1),
      ]),
    );
  }
  if (typeof value === "string" && (value === "" || MARKER.test(value))) return value;
  if (typeof value !== "string" && typeof value !== "number") return value;
  return isNoSecret(name, String(value)) ? value : mark(kindOfName(name), String(value), run);
}

function requireTime(run: ScrubRun): void {
  if (run.now() > run.deadline) {
    throw new SondeError("SCRUB_FAILED", "expected to finish in the time left, got more text");
  }
}

function scrubText(text: string, run: ScrubRun, depth: number): string {
  requireTime(run);
  const inner = depth < MAX_DEPTH ? parseInnerJson(text) : undefined;
  if (inner === undefined) {
    return scrubPlain(text, { from: 0, to: text.length }, run).text;
  }
  const before = countAll(run);
  const clean = scrubAt(inner, run, depth + 1);
  // Keeps a text without findings byte for byte, provided that all of it was checked.
  const isWhole = countNamesInText(text) === countNames(inner);
  return isWhole && countAll(run) === before ? text : JSON.stringify(clean);
}

function scrubPlain(text: string, window: Window, run: ScrubRun): Shown {
  const { own, now, onPlace } = run;
  return scrubPlainText(text, window, {
    own,
    now,
    onPlace,
    onShown: (kind, value) => note(kind, value, run),
  });
}

/**
 * Counts the member names in a valid JSON text. JSON.parse drops all but the last of
 * equal names.
 */
function countNamesInText(json: string): number {
  let count = 0;
  let isInString = false;
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at];
    if (character === "\\") at += 1;
    else if (character === '"') isInString = !isInString;
    else if (character === ":" && !isInString) count += 1;
  }
  return count;
}

function countNames(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const members: unknown[] = Object.values(value);
  const own = Array.isArray(value) ? 0 : members.length;
  return members.reduce<number>((sum, member) => sum + countNames(member), own);
}

function countAll(run: ScrubRun): number {
  let sum = 0;
  for (const count of run.counts.values()) sum += count;
  return sum;
}

/** How a JSON object or list begins. A kernel's thread is called `[kworker/0:1]`. */
const JSON_START = /^\s{0,8}(?:\{\s*["}]|\[\s*(?:["[{\]\d-]|true|false|null))/;

/**
 * Parses a text as a JSON object or list. Returns undefined for any other text, and for most of
 * them without the cost of an exception.
 */
export function parseInnerJson(text: string): unknown {
  if (!JSON_START.test(text) || !/[\]}]/.test(text.trimEnd().at(-1) ?? "")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

function mark(kind: string, value: string, run: ScrubRun): string {
  return markerOf(kind, note(kind, value, run));
}

/** Returns the number of the secret's marker. */
function note(kind: string, value: string, run: ScrubRun): number | undefined {
  run.counts.set(kind, (run.counts.get(kind) ?? 0) + 1);
  return run.numbers?.numberOf(value);
}
