import type { Rule, Runbook } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { judge } from "./judge.ts";

type Change = Partial<Rule>;

const ruleOf = (change: Change): Rule => ({
  ...{ finding: "Something is wrong.", severity: "warning", of: "it", when: [], show: ["value"] },
  ...change,
});
const book = (...rules: Change[]): Runbook => ({
  description: "A runbook for this test.",
  probes: { it: { probe: "usage" }, other: { probe: "other" } },
  rules: rules.map(ruleOf),
});
const find = (answer: Record<string, unknown>, ...rules: Change[]) =>
  judge(book(...rules), new Map([["it", answer]]));
const holds = (answer: Record<string, unknown>, ...when: Rule["when"]) =>
  find(answer, { when }).findings.length === 1;

test.each<[string, Rule["when"][number], unknown, unknown]>([
  ["at least", { value: "value", atLeast: 90 }, 90, 89.9],
  ["below", { value: "value", below: 90 }, 89.9, 90],
  ["between", { value: "value", atLeast: 5, below: 6 }, 5, 6],
  ["the length of a list", { value: "value", below: 1 }, [], ["one"]],
  ["is true", { value: "value", is: true }, true, false],
  ["is false", { value: "value", is: false }, false, true],
  ["one of", { value: "value", oneOf: ["ext4", "xfs"] }, "xfs", "ext"],
  ["contains", { value: "value", contains: ["nfs", "fuse"] }, "is a fuse here", "is none"],
  ["a number, not a text of one", { value: "value", atLeast: 1 }, 1, "1"],
])("%s: holds up to its bound and no further", (_what, condition, fitting, other) => {
  expect(holds({ value: fitting }, condition)).toBe(true);
  expect(holds({ value: other }, condition)).toBe(false);
});

test("a bound can be on one value for each of another, and never on a division by nothing", () => {
  const when = { value: "load", per: "cpus", atLeast: 2 };
  expect(holds({ load: 4, cpus: 2 }, when)).toBe(true);
  expect(holds({ load: 3.9, cpus: 2 }, when)).toBe(false);
  expect(holds({ load: 4, cpus: 0 }, when)).toBe(false);
});

test("all conditions of a rule must hold", () => {
  const both = [
    { value: "value", atLeast: 1 },
    { value: "sure", is: true },
  ];
  expect(holds({ value: 1, sure: true }, ...both)).toBe(true);
  expect(holds({ value: 1, sure: false }, ...both)).toBe(false);
});

test("rows that fit are one finding, with their number and the first of them", () => {
  const rows = Array.from({ length: 8 }, (_, index) => ({ name: `/${index}`, used: 90 + index }));
  const rule = {
    each: "disks.list",
    when: [{ value: "used", atLeast: 92 }],
    show: ["name", "used"],
  };
  const { findings } = find({ disks: { list: rows } }, { ...rule, next: ["a_tool"] });
  expect(findings).toEqual([
    {
      ...{ severity: "warning", finding: "Something is wrong.", probe: "usage", count: 6 },
      evidence: rows.slice(2, 7),
      next: ["a_tool"],
    },
  ]);
});

test("findings are sorted by severity, alike ones as the rules are", () => {
  const all = ["info", "warning", "critical", "warning"] as const;
  const when = [{ value: "value", atLeast: 1 }];
  const rules = all.map((severity, index) => ({ severity, when, finding: `Finding ${index}.` }));
  expect(find({ value: 1 }, ...rules).findings.map(({ finding }) => finding)).toEqual([
    ...["Finding 2.", "Finding 1.", "Finding 3.", "Finding 0."],
  ]);
});

test.each([
  ["null", { value: null }],
  ["absent", {}],
  ["beneath null", { value: null, deep: null }],
])("a value that is %s is unseen, never good", (_what, answer) => {
  const { findings, unseen } = find(
    answer,
    { when: [{ value: "value", atLeast: 90 }] },
    { when: [{ value: "value", below: 90 }] },
    { when: [{ value: "deep.value", is: true }] },
  );
  expect(findings).toEqual([]);
  expect(unseen).toEqual([
    { probe: "usage", why: "value is not reported here" },
    { probe: "usage", why: "deep.value is not reported here" },
  ]);
});

test("a divisor and a list that are not there are unseen as well", () => {
  const { findings, unseen } = find(
    { value: 8, cpus: null, rows: null },
    { when: [{ value: "value", per: "cpus", below: 90 }] },
    { each: "rows", when: [] },
  );
  expect(findings).toEqual([]);
  expect(unseen.map(({ why }) => why)).toEqual([
    ...["cpus is not reported here", "rows is not reported here"],
  ]);
});

test("in a row a null says that the row has none", () => {
  const { findings, unseen } = find(
    { rows: [{ value: null }, { value: 99 }] },
    { each: "rows", when: [{ value: "value", atLeast: 1 }] },
  );
  expect(findings).toMatchObject([{ count: 1, evidence: [{ value: 99 }] }]);
  expect(unseen).toEqual([]);
});

test("rules of a probe that did not answer judge nothing", () => {
  const rules = [{ of: "other", when: [{ value: "value", below: 1 }] }];
  expect(find({ value: 0 }, ...rules)).toEqual({ findings: [], unseen: [] });
});

test("a rule can say that an answer does not tell all", () => {
  const rule: Change = { severity: "unseen", each: "unreadable", show: ["value"] };
  const { findings, unseen } = find({ unreadable: [{ value: "/mnt" }] }, rule);
  expect(findings).toEqual([]);
  expect(unseen).toEqual([
    { probe: "usage", why: "Something is wrong.", evidence: [{ value: "/mnt" }] },
  ]);
  expect(find({ unreadable: [] }, rule).unseen).toEqual([]);
});

test("what hosts write is shown up to a length", () => {
  const answer = { value: "🙂".repeat(500), list: Array.from({ length: 50 }, () => "x") };
  const when = [{ value: "value", contains: ["🙂"] }];
  const [finding] = find(answer, { when, show: ["value", "list"] }).findings;
  expect(finding?.evidence).toEqual([
    { value: `${"🙂".repeat(100)}...`, list: Array(10).fill("x") },
  ]);
  const cut = find({ value: `x${"🙂".repeat(500)}` }, { when }).findings[0]?.evidence[0]?.["value"];
  expect(String(cut).isWellFormed()).toBe(true);
});

test("of a list as long as a host likes the first rows are judged, and the answer says so", () => {
  const rows = Array.from({ length: 2_001 }, () => ({ value: 1 }));
  const { findings, unseen } = find({ rows }, { each: "rows" });
  expect(findings).toMatchObject([{ count: 2_000 }]);
  expect(unseen).toEqual([
    { probe: "usage", why: "only the first 2000 of 2001 rows of rows were judged" },
  ]);
});

test("names of prototype members find nothing", () => {
  expect(find({ value: 1 }, { when: [{ value: "constructor", is: true }] }).unseen).toHaveLength(1);
  expect(find({ value: 1 }, { of: "constructor" })).toEqual({ findings: [], unseen: [] });
});
