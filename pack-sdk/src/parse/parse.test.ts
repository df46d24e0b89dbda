import { expect, test } from "vitest";
import {
  compareText,
  items,
  members,
  parseCounters,
  parseFields,
  parseJson,
  parseNumber,
  splitLines,
  splitWords,
} from "./index.ts";

test.each([
  ["", []],
  ["\n", [""]],
  ["a\nb\n", ["a", "b"]],
  ["a\r\n\r\nb", ["a", "", "b"]],
])("the lines of %j", (text, lines) => {
  expect(splitLines(text)).toEqual(lines);
});

test("words may have any blanks between and around them", () => {
  expect(splitWords("  0.20\t0.18   1/80\n")).toEqual(["0.20", "0.18", "1/80"]);
  expect(splitWords(" \n")).toEqual([]);
});

test("fields with an equals sign, as in os-release", () => {
  const text = `# about\nNAME="Debian GNU/Linux"\n\nOPTS=--a=b\nno field\n=nameless\nID=a\nID=b\n`;
  expect([...parseFields(text, "=")]).toEqual([
    ["NAME", '"Debian GNU/Linux"'],
    ["OPTS", "--a=b"],
    ["ID", "b"],
  ]);
});

test("fields with a colon, as in /proc/PID/status", () => {
  const fields = parseFields("Name:\tsh\nUid:\t0\t0\t0\t0\nGroups:\t \n", ":");
  expect([...fields]).toEqual([
    ["Name", "sh"],
    ["Uid", "0\t0\t0\t0"],
    ["Groups", ""],
  ]);
});

test("counters with and without a colon and a unit; other lines are skipped", () => {
  const text = "MemTotal:       16311284 kB\nActive(anon):  12 kB\nnr_free_pages 97\nHead: x\n\n";
  expect([...parseCounters(text)]).toEqual([
    ["MemTotal", 16311284],
    ["Active(anon)", 12],
    ["nr_free_pages", 97],
  ]);
});

test.each([
  ["17", 17],
  ["-0.5", -0.5],
  ["1e3", 1000],
])("%s is a number", (text, value) => {
  expect(parseNumber(text, "load")).toBe(value);
});

test.each([undefined, "", " ", "0x10", "1 2", "Infinity", "1e999", "kB", "1."])(
  "%j is no number",
  (text) => {
    expect(() => parseNumber(text, "load")).toThrow(/^expected a number for load, got /);
  },
);

test("the error for text that is not JSON names its origin and does not quote it", () => {
  expect(parseJson('{"a":[1]}', "the engine")).toEqual({ a: [1] });
  expect(() => parseJson("<secret>", "the engine")).toThrow(
    /^expected JSON from the engine, got other text$/,
  );
});

test("other values have no members and no items, and no member is inherited", () => {
  expect(members({ a: 1 }).get("a")).toBe(1);
  expect(members(JSON.parse('{"__proto__":1}')).get("__proto__")).toBe(1);
  expect(members({}).get("constructor")).toBeUndefined();
  for (const value of [null, undefined, 7, "x", [1]]) expect(members(value).size).toBe(0);
  expect(items([1, "x"])).toEqual([1, "x"]);
  for (const value of [null, undefined, "x", { length: 1 }]) expect(items(value)).toEqual([]);
});

test("texts are sorted by code units", () => {
  expect(["b", "a", "Z", "ä", "a"].sort(compareText)).toEqual(["Z", "a", "a", "b", "ä"]);
});
