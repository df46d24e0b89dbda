import type { Redactions } from "@sonde/schemas/wire";
import type { OwnRules } from "./own-patterns.ts";
import { MARKER_IN_TEXT, type Secret } from "./replace-secrets.ts";
import { SecretNumbers } from "./secret-numbers.ts";
import { type ScrubRun, buildRedactions, parseInnerJson, scrub, startOwn } from "./scrub.ts";

/** What the scrubber does to a text. Nothing in it tells a secret. */
export type ScrubExplanation = {
  /** The text as it would leave. */
  text: string;
  redactions: Redactions;
  findings: Finding[];
};

/**
 * A rule and where it applies, line and column counted from 1. There is no place in a JSON text with
 * names that repeat or are numbers, because a parser puts such members elsewhere.
 */
export type Finding = { rule: string; place: { line: number; column: number } | null };

/**
 * Scrubs a text as the agent would, and says which rule applies where.
 *
 * @throws SondeError SCRUB_FAILED, as `scrub` does
 */
export function explainText(text: string, own: OwnRules): ScrubExplanation {
  const secrets: Secret[] = [];
  const run: ScrubRun = {
    deadline: Infinity,
    now: () => performance.now(),
    counts: new Map(),
    own: startOwn(own),
    numbers: new SecretNumbers(),
  };
  const isJson = parseInnerJson(text) !== undefined;
  const clean = String(
    scrub(text, isJson ? run : { ...run, onPlace: (secret) => secrets.push(secret) }),
  );
  const found = isJson ? pairTokens(text, clean) : placesOf(secrets);
  const lines = lineStartsOf(text);
  const findings = found
    .toSorted((a, b) => (a.at ?? 0) - (b.at ?? 0))
    .map(({ rule, at }) => ({ rule, place: at === null ? null : placeAt(at, lines) }));
  return { text: clean, redactions: buildRedactions(run), findings };
}

type Found = { rule: string; at: number | null };

function placesOf(secrets: readonly Secret[]): Found[] {
  return secrets.map(({ kind, start }) => ({ rule: kind, at: start }));
}

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;

/** Finds the strings and numbers of a JSON text that became markers, by their order. */
function pairTokens(text: string, clean: string): Found[] {
  const before = [...text.matchAll(TOKEN)];
  const after = [...clean.matchAll(TOKEN)];
  let isAligned = before.length === after.length;
  const found = after.flatMap(([token], index) => {
    const old = before[index];
    const isSame = old !== undefined && JSON.parse(old[0]) === JSON.parse(token);
    if (isSame) return [];
    const rules = [...token.matchAll(MARKER_IN_TEXT)].map(([, rule = ""]) => rule);
    isAligned &&= rules.length > 0;
    return rules.map((rule): Found => ({ rule, at: old?.index ?? null }));
  });
  if (isAligned) return found;
  const all = [...clean.matchAll(MARKER_IN_TEXT)].map(([, rule = ""]) => rule);
  return all.map((rule) => ({ rule, at: null }));
}

function lineStartsOf(text: string): number[] {
  return [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
}

function placeAt(at: number, lines: readonly number[]): { line: number; column: number } {
  let [low, high] = [0, lines.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((lines[middle] ?? Infinity) <= at) low = middle;
    else high = middle;
  }
  return { line: low + 1, column: at - (lines[low] ?? 0) + 1 };
}
