import { expect, test } from "vitest";
import { scrub } from "./scrub.ts";

const clean = (text: string) =>
  String(scrub(text, { deadline: Infinity, now: () => 0, counts: new Map() }));

/** Only who reads the text as JSON knows that "y" stands beneath a secret's name. */
const MEMBER = '"stripe-secret":{"a":{"b":["y"]}}';

test.each([
  ["an object", `{${MEMBER}}`],
  ["an object behind a space", `  { ${MEMBER} }`],
  ["an object over lines", `{\n  ${MEMBER}\n}\n`],
  ["a list of objects", `[{${MEMBER}}]`],
  ["a list behind spaces", `[ \t\r\n {${MEMBER}} ] \r\n`],
  ["a list of lists", `[[], {${MEMBER}}]`],
  ["a list that begins with a text", `["a", {${MEMBER}}]`],
  ["a list that begins with a number", `[1, {${MEMBER}}]`],
  ["a list that begins with a negative number", `[-1, {${MEMBER}}]`],
  ["a list that begins with true", `[true, {${MEMBER}}]`],
  ["a list that begins with false", `[false, {${MEMBER}}]`],
  ["a list that begins with null", `[null, {${MEMBER}}]`],
])("JSON is read as data, whatever it begins and ends with: %s", (_what, text) => {
  expect(clean(text)).toContain('["[redacted:secret]"]');
});

test.each([
  "{}",
  "[]",
  "{ }",
  "[ ]",
  "[kworker/0:1-events]",
  "[ 0.1] a: b",
  "{{ name }}",
  "{",
  "[",
])("a text that is no JSON, or is empty, stays: %s", (text) => {
  expect(clean(text)).toBe(text);
});
