import { SondeError } from "@sonde/schemas/errors";
import type { OwnPattern } from "@sonde/schemas/agent";
import type { RE2JS } from "re2js";
import { type Secret, MARKER_IN_TEXT, joinOverlaps } from "./replace-secrets.ts";

/** A pattern of the operator's, compiled. A text is searched for it line by line. */
type OwnRule = { kind: string; pattern: RE2JS };
export type OwnRules = readonly OwnRule[];
/** The rules and the time in ms that one call has spent on them. */
export type OwnRun = { rules: OwnRules; spentMs: number };

/** The most states of a compiled pattern. The time for a character grows with them. */
const MAX_STATES = 500;
/** A longer line is searched in parts of this length, in characters. */
const PART = 2048;
/** How far a match may reach beyond its part. One that reaches further is replaced up to the end of its line. */
const REACH = 1024;
/**
 * The most time for these rules in one call, in ms. One search is linear, but all searches of a
 * pattern such as `a(.*b)?` are not, and the agent does nothing else meanwhile.
 */
const MOST_MS = 3000;

/**
 * Compiles the operator's patterns. The engine is loaded only if there is one.
 *
 * @throws SondeError CONFIG_INVALID, which names the pattern; never quotes an example
 */
export async function compileOwnRules(patterns: readonly OwnPattern[]): Promise<OwnRules> {
  if (patterns.length === 0) return [];
  // Imported lazily: most hosts have no pattern of their own.
  const { RE2JS: Engine } = await import("re2js");
  const names = new Set<string>();
  return patterns.map(({ name, pattern, example }) => {
    const refuse = (sentence: string) =>
      new SondeError("CONFIG_INVALID", `scrub pattern ${name}: ${sentence}`);
    if (names.has(name)) throw refuse("expected each name once, got it twice");
    names.add(name);
    const compiled = compile(Engine, pattern, refuse);
    if (compiled.programSize() > MAX_STATES) {
      throw refuse(`expected at most ${MAX_STATES} states, got ${compiled.programSize()}`);
    }
    if (compiled.test("")) throw refuse("expected no match of the empty text, got one");
    if (/[\r\n]/.test(example)) throw refuse("expected an example of one line, got more");
    const rule = { kind: `own-${name}`, pattern: compiled };
    if (findInLine(rule, example, 0, example.length).length === 0) {
      throw refuse("expected the pattern to match its example, got no match");
    }
    return rule;
  });
}

function compile(
  Engine: typeof RE2JS,
  pattern: string,
  refuse: (sentence: string) => SondeError,
): RE2JS {
  try {
    return Engine.compile(pattern);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw refuse(`expected a pattern of RE2, got ${why}`);
  }
}

/**
 * Finds what the operator's patterns match, in the order of the text and without overlap. A marker
 * that a match touches becomes part of it, and one that holds a match stays.
 *
 * @throws SondeError SCRUB_FAILED when the call's time for these rules is used up
 */
export function findOwn(text: string, own: OwnRun, now: () => number): readonly Secret[] {
  const found: Secret[] = [];
  const begun = now();
  const spentBefore = own.spentMs;
  for (let start = 0; start < text.length; ) {
    const next = text.indexOf("\n", start);
    const end = next === -1 ? text.length : next;
    for (let at = start; at < end; at += PART) {
      for (const rule of own.rules) found.push(...findInLine(rule, text, at, end));
      own.spentMs = spentBefore + now() - begun;
      if (own.spentMs > MOST_MS) {
        throw new SondeError(
          "SCRUB_FAILED",
          `expected the patterns of the configuration to take ${MOST_MS} ms, got more`,
        );
      }
    }
    start = end + 1;
  }
  return found.length === 0 ? found : apartFromMarkers(text, joinOverlaps(found));
}

/** Finds the matches that begin in the part of a line at `at`. The line ends at `lineEnd`. */
function findInLine(
  { kind, pattern }: OwnRule,
  text: string,
  at: number,
  lineEnd: number,
): Secret[] {
  const partEnd = Math.min(at + PART + REACH, lineEnd);
  const part = text.slice(at, partEnd);
  // Does without the places, which is many times faster.
  if (!pattern.test(part)) return [];
  const found: Secret[] = [];
  const matcher = pattern.matcher(part);
  while (matcher.find()) {
    const start = matcher.start();
    const end = matcher.end();
    if (start >= PART) break;
    if (start === end) continue;
    const isCut = end === part.length && partEnd < lineEnd;
    found.push({
      start: at + start,
      end: isCut ? lineEnd : at + end,
      kind,
      before: "",
      after: "",
    });
    if (isCut) break;
  }
  return found;
}

/** Widens a match over each marker that it touches, and drops one inside of a marker. */
function apartFromMarkers(text: string, found: readonly Secret[]): readonly Secret[] {
  const markers = [...text.matchAll(MARKER_IN_TEXT)].map(({ index, 0: marker }) => ({
    start: index,
    end: index + marker.length,
  }));
  let first = 0;
  const kept = found.flatMap((secret) => {
    while ((markers[first]?.end ?? Infinity) <= secret.start) first += 1;
    let { start, end } = secret;
    for (let at = first; at < markers.length; at += 1) {
      const marker = markers[at];
      if (marker === undefined || marker.start >= secret.end) break;
      if (marker.start <= secret.start && marker.end >= secret.end) return [];
      start = Math.min(start, marker.start);
      end = Math.max(end, marker.end);
    }
    return [{ ...secret, start, end }];
  });
  return joinOverlaps(kept);
}
