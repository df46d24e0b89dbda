import { writeCount, writeValue } from "@sonde/service/quantities";
import { numberOf, type Rows, rowsOf, textOf, textsOf } from "./answers.ts";
import { type Fields, isFields } from "./bridge.ts";
import { badge, type Level, make, noteLeftOut } from "./draw.ts";
import { show, type Summary } from "./frame.ts";

const SEVERITIES = new Map<string, Level>([
  ["critical", "bad"],
  ["warning", "warn"],
  ["info", "none"],
]);
/** Values of one row of evidence. */
const MAX_VALUES = 20;

/** Values of rows that show it, by their paths. */
function drawEvidence(finding: Fields): Node[] {
  const evidence = rowsOf(finding, "evidence")?.rows ?? [];
  return evidence.map((row) => {
    const pairs = Object.entries(row)
      .slice(0, MAX_VALUES)
      .flatMap(([name, value]) => [
        make("dt", "said", name),
        make("dd", "said", writeValue(name, value)),
      ]);
    return make("dl", "evidence", ...pairs);
  });
}

function drawFinding(finding: Fields): HTMLElement {
  const severity = textOf(finding, "severity") ?? "";
  const level = SEVERITIES.get(severity) ?? "none";
  const count = numberOf(finding, "count") ?? 1;
  const next = textsOf(finding, "next");
  const title = make("h2", "said", textOf(finding, "finding") ?? "");
  const from = make("p", "where", "Seen by ", make("code", "said", textOf(finding, "tool") ?? ""));
  if (count > 1) from.append(make("span", "", ` in ${writeCount(count)} rows`));
  const ask = make("p", "where", "Ask next: ", ...next.map((tool) => make("code", "said", tool)));
  return make(
    "li",
    `finding ${level}`,
    badge(level, severity),
    title,
    ...drawEvidence(finding),
    from,
    next.length > 0 ? ask : null,
  );
}

/** What was not seen is told as such: it is not well. */
function drawUnseen({ rows, leftOut }: Rows): Node[] {
  if (rows.length === 0) return [];
  const items = rows.map((row) => {
    const what = textOf(row, "tool") ?? textOf(row, "pack");
    const why = textOf(row, "why") ?? "";
    const name = what === null ? null : make("code", "said", what);
    return make("li", "said", name, ` ${why}`, ...drawEvidence(row));
  });
  const more = noteLeftOut(leftOut, "that could not be seen");
  return [
    make("h2", "", `Could not be seen (${writeCount(rows.length + leftOut)})`),
    make("ul", "plain", ...items),
    ...(more === null ? [] : [more]),
  ];
}

function draw(data: Fields): Node[] | null {
  const findings = rowsOf(data, "findings");
  if (findings === null) return null;
  const unseen = rowsOf(data, "unseen") ?? { rows: [], leftOut: 0 };
  const runbooks = textsOf(data, "runbooks");
  const nothing =
    unseen.rows.length === 0
      ? "No finding in what was looked at."
      : "No finding in what was looked at. Not all could be seen: that is not nothing wrong.";
  const more = noteLeftOut(findings.leftOut, "findings");
  return [
    findings.rows.length === 0
      ? make("p", "calm", badge(unseen.rows.length === 0 ? "good" : "none", "none"), ` ${nothing}`)
      : make("ul", "findings", ...findings.rows.map(drawFinding)),
    ...(more === null ? [] : [more]),
    ...drawUnseen(unseen),
    ...(runbooks.length === 0 ? [] : [drawRunbooks(runbooks)]),
  ];
}

function drawRunbooks(runbooks: readonly string[]): HTMLElement {
  return make("p", "where", `Runbooks: ${runbooks.join(", ")}`);
}

/** How many of each severity. */
function summarize(data: Fields): Summary | null {
  const findings = rowsOf(data, "findings");
  if (findings === null) return null;
  const unseen = Array.isArray(data["unseen"]) ? data["unseen"].filter(isFields).length : 0;
  const count = (severity: string) =>
    findings.rows.filter((row) => textOf(row, "severity") === severity).length;
  const counts = [...SEVERITIES.keys()]
    .map((severity): [string, number] => [severity, count(severity)])
    .filter(([, found]) => found > 0);
  const parts = counts.map(([severity, found]) => `${writeCount(found)} ${severity}`);
  if (unseen > 0) parts.push(`${writeCount(unseen)} unseen`);
  const [first] = counts;
  const level = SEVERITIES.get(first?.[0] ?? "") ?? (unseen > 0 ? "none" : "good");
  return { level, text: parts.length === 0 ? "no finding" : parts.join(", ") };
}

show({ title: "Findings", draw, summarize });
