import { expect, test } from "vitest";
import { explainText } from "./explain-text.ts";
import { compileOwnRules } from "./own-patterns.ts";
import { buildSecrets } from "./testing/secret-corpus.ts";

const BADGE = { name: "badge", pattern: "BADGE-[0-9]{6}", example: "BADGE-000000" };
const placesIn = (text: string) =>
  explainText(text, []).findings.map(({ rule, place }) => [rule, place?.line, place?.column]);

test("each finding has its rule, line and column in the text as it came", async () => {
  const text = [
    "first password=hunter2hunter2 of BADGE-123456",
    "second",
    `\ttoken ghp_${"a1B2".repeat(9)} and https://ada:hunter2@db.example/`,
  ].join("\n");
  expect(explainText(text, await compileOwnRules([BADGE]))).toEqual({
    text: [
      "first password=[redacted:password#1] of [redacted:own-badge#4]",
      "second",
      "\ttoken [redacted:github-token#3] and https://ada:[redacted:url-credentials#2]@db.example/",
    ].join("\n"),
    redactions: {
      count: 4,
      rules: { "github-token": 1, "own-badge": 1, password: 1, "url-credentials": 1 },
    },
    findings: [
      { rule: "password", place: { line: 1, column: 16 } },
      { rule: "own-badge", place: { line: 1, column: 34 } },
      { rule: "github-token", place: { line: 3, column: 8 } },
      { rule: "url-credentials", place: { line: 3, column: 65 } },
    ],
  });
});

test("in every text of the corpus the first marker stands at the first place", () => {
  for (const { text } of buildSecrets(5)) {
    const { findings, text: clean } = explainText(text, []);
    const place = findings[0]?.place;
    if (place === undefined || place === null || text.startsWith("{")) continue;
    const lines = text.split("\n").slice(0, place.line - 1);
    const at = lines.reduce((sum, line) => sum + line.length + 1, 0) + place.column - 1;
    expect(clean.slice(0, at)).toBe(text.slice(0, at));
    expect(clean.slice(at)).toMatch(/^"?\[redacted:/);
  }
});

test("a finding in a JSON text has the place of its string or number", () => {
  const text = `{\n  "a": 1,\n  "password": "hunter2",\n  "deep": [{"token": 12345678}, "x"]\n}`;
  expect(placesIn(text)).toEqual([
    ["password", 3, 15],
    ["token", 4, 22],
  ]);
  // The parser puts numbers first, and drops all but the last of equal names.
  expect(placesIn(`{"b": "x", "1": 2, "password": "hunter2"}`)).toEqual([
    ["password", undefined, undefined],
  ]);
  expect(placesIn(`{"password": "hunter2", "password": "tr0ub4dor"}`)).toEqual([
    ["password", undefined, undefined],
  ]);
});

test("an innocent text stays, without findings", () => {
  expect(explainText("nothing to see", [])).toEqual({
    text: "nothing to see",
    redactions: { count: 0, rules: {} },
    findings: [],
  });
});
