import { SondeError } from "@sonde/schemas/errors";
import { type Redactions } from "@sonde/schemas/wire";
import { scrubNamed } from "./named-secrets.ts";
import { linesOfPrivateKeys, scrubPrivateKeys } from "./private-keys.ts";
import { RULES_PATTERN, RULE_NAMES } from "./scrub-rules.ts";
import { isNoSecret, isSecretName, isSecretOption, kindOfName } from "./secret-names.ts";

/** A deeper value is refused, since no part may go unchecked. */
const MAX_DEPTH = 64;
/** The private members of a JSON Web Key (RFC 7518, section 6). */
const JWK_SECRET = /^(?:d|p|q|dp|dq|qi|k)$/;
const MARKER = /^\[redacted:[a-z-]+\]$/;

/** The time limit of one scrub run and what it has replaced so far. One per call. */
export type ScrubRun = {
  /** Time in ms, by the clock `now`, after which the value is dropped. */
  deadline: number;
  now: () => number;
  counts: Map<string, number>;
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
 * Scrubs one sentence, such as an error message, for a record or a report. Drops a text
 * that cannot be scrubbed. Meant for short texts, so there is no time limit.
 */
export function scrubSentence(text: string): string {
  try {
    return String(scrub(text, { deadline: 0, now: () => 0, counts: new Map() }));
  } catch (thrown) {
    if (!(thrown instanceof SondeError)) throw thrown;
    return "The text could not be scrubbed and was dropped.";
  }
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
  return value;
}

function scrubList(list: unknown[], run: ScrubRun, depth: number): unknown[] {
  const keyLines = linesOfPrivateKeys(list);
  return list.map((item, index) => {
    if (keyLines.has(index)) {
      return item === "" ? item : mark("private-key", run);
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
        redactLeaves(member, name, run, depth + 1),
      ]),
    );
  }
  if (typeof value === "string" && (value === "" || MARKER.test(value))) return value;
  if (typeof value !== "string" && typeof value !== "number") return value;
  return isNoSecret(name, String(value)) ? value : mark(kindOfName(name), run);
}

function scrubText(text: string, run: ScrubRun, depth: number): string {
  if (run.now() > run.deadline) {
    throw new SondeError("SCRUB_FAILED", "expected to finish in the time left, got more text");
  }
  const inner = depth < MAX_DEPTH ? parseInnerJson(text) : undefined;
  if (inner === undefined) return scrubPlainText(text, run);
  const before = countAll(run);
  const clean = scrubAt(inner, run, depth + 1);
  // Keeps a text without findings byte for byte, provided that all of it was checked.
  const isWhole = countNamesInText(text) === countNames(inner);
  return isWhole && countAll(run) === before ? text : JSON.stringify(clean);
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

/** Parses a text as a JSON object or list. Returns undefined for any other text. */
function parseInnerJson(text: string): unknown {
  const first = /^\s{0,8}([{[])/.exec(text)?.[1];
  if (first === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

function scrubPlainText(text: string, run: ScrubRun): string {
  // Every rule's match is longer.
  if (text.length < 5) return text;
  const marker = (kind: string) => mark(kind, run);
  const named = scrubNamed(scrubPrivateKeys(text, marker), marker);
  return named.replace(RULES_PATTERN, (...found: (string | undefined)[]) => {
    const index = RULE_NAMES.findIndex((_, rule) => found[2 + rule * 2] !== undefined);
    return (found[1 + index * 2] ?? "") + marker(RULE_NAMES[index] ?? "secret");
  });
}

function mark(kind: string, run: ScrubRun): string {
  run.counts.set(kind, (run.counts.get(kind) ?? 0) + 1);
  return `[redacted:${kind}]`;
}
