import type { Condition, Rule, Runbook } from "@sonde/schemas/manifest";
import type { ProbeName } from "@sonde/schemas/names";
import { isFields, readPath } from "./value-path.ts";

type Fields = Record<string, unknown>;

export type Finding = {
  severity: "critical" | "warning" | "info";
  /** The pack's words, as signed. */
  finding: string;
  /** Whose answer shows it. */
  probe: ProbeName;
  /** How many rows fit; 1 for the answer as a whole. */
  count: number;
  /** Values of the answer by their paths, of the first rows that fit. */
  evidence: Fields[];
  /** Tools to ask next. */
  next: readonly string[];
};

/** What the answers do not tell, and why. */
export type Unseen = { probe: ProbeName; why: string; evidence?: Fields[] };

/** Findings are sorted by severity; those alike are in the order of the rules. */
export type Judgement = { findings: Finding[]; unseen: Unseen[] };

const RANK = { critical: 0, warning: 1, info: 2 };
/** Rows of a list. A host can have any number, and the hub has others to answer meanwhile. */
const MAX_JUDGED = 2_000;
/** Rows that a finding shows. */
const MAX_ROWS = 5;
/** Of a list among the values that are shown. */
const MAX_ITEMS = 10;
/** Characters of a text among the values that are shown. */
const MAX_TEXT = 200;

/**
 * Judges answers by the rules of a runbook. A value that an answer does not have is never taken for a
 * good one: it becomes unseen. In a row a null says that the row has none, and the row does not fit.
 *
 * @param answers data of the probes that answered, by the name that each has in the runbook, as its
 *   result schema says. Rules of the others judge nothing; who asked says why they did not answer.
 */
export function judge({ probes, rules }: Runbook, answers: ReadonlyMap<string, Fields>): Judgement {
  const findings: Finding[] = [];
  const unseen = new Map<string, Unseen>();
  const asked = new Map(Object.entries(probes));
  for (const rule of rules) {
    const probe = asked.get(rule.of)?.probe;
    const answer = answers.get(rule.of);
    if (probe === undefined || answer === undefined) continue;
    const missing = findMissing(rule, answer);
    for (const path of missing) {
      unseen.set(`${probe} ${path}`, { probe, why: `${path} is not reported here` });
    }
    if (missing.length > 0) continue;
    const all = rowsOf(rule, answer);
    if (all.length > MAX_JUDGED) {
      const why = `only the first ${MAX_JUDGED} of ${all.length} rows of ${rule.each} were judged`;
      unseen.set(`${probe} ${why}`, { probe, why });
    }
    const rows = all.slice(0, MAX_JUDGED).filter((row) => fits(rule, row));
    if (rows.length === 0) continue;
    const evidence = rows.slice(0, MAX_ROWS).map((row) => show(rule, row));
    const { severity, finding, next = [] } = rule;
    if (severity === "unseen") unseen.set(`${probe} ${finding}`, { probe, why: finding, evidence });
    else findings.push({ severity, finding, probe, count: rows.length, evidence, next });
  }
  findings.sort((a, b) => RANK[a.severity] - RANK[b.severity]);
  return { findings, unseen: [...unseen.values()] };
}

/** The paths without which the rule cannot be judged, and that have no value. */
function findMissing({ each, when }: Rule, answer: Fields): string[] {
  const needed =
    each === undefined
      ? when.flatMap((one) =>
          "per" in one && one.per !== undefined ? [one.value, one.per] : [one.value],
        )
      : [each];
  return needed.filter((path) => readPath(answer, path) === undefined);
}

function rowsOf({ each }: Rule, answer: Fields): Fields[] {
  if (each === undefined) return [answer];
  const rows = readPath(answer, each);
  return Array.isArray(rows) ? rows.filter(isFields) : [];
}

function fits({ when }: Rule, row: Fields): boolean {
  return when.every((condition) => holds(condition, row));
}

function holds(condition: Condition, row: Fields): boolean {
  const value = readPath(row, condition.value);
  if ("is" in condition) return value === condition.is;
  if ("oneOf" in condition) return typeof value === "string" && condition.oneOf.includes(value);
  if ("contains" in condition) {
    return typeof value === "string" && condition.contains.some((text) => value.includes(text));
  }
  const { per, atLeast = -Infinity, below = Infinity } = condition;
  const number = measure(value);
  const divisor = per === undefined ? 1 : measure(readPath(row, per));
  if (number === null || divisor === null || divisor <= 0) return false;
  return number / divisor >= atLeast && number / divisor < below;
}

function measure(value: unknown): number | null {
  if (Array.isArray(value)) return value.length;
  return typeof value === "number" ? value : null;
}

function show({ show: paths }: Rule, row: Fields): Fields {
  return Object.fromEntries(paths.map((path) => [path, shorten(readPath(row, path) ?? null)]));
}

/** Texts are as long as whoever wrote them liked. */
function shorten(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map(shorten);
  if (typeof value !== "string" || value.length <= MAX_TEXT) return value;
  return `${value.slice(0, MAX_TEXT).toWellFormed()}...`;
}
