import { expect, test } from "vitest";
import { canonicalJson, sortMembers } from "./canonical-json.ts";

test("equal values give the same text, whatever the order of their members", () => {
  expect(canonicalJson({ b: [1, { d: null, c: "x" }], a: 2, e: undefined })).toBe(
    '{"a":2,"b":[1,{"c":"x","d":null}]}',
  );
});

test("a value has the text that it has when it comes back from a database", () => {
  const stored = { at: new Date("2026-01-02T03:04:05Z"), none: undefined };
  const read = JSON.parse(JSON.stringify(stored)) as unknown;
  expect(canonicalJson(stored)).toBe(canonicalJson(read));
  expect(canonicalJson(read)).toBe('{"at":"2026-01-02T03:04:05.000Z"}');
});

test.each([
  ["members out of order", { b: 1, a: { d: [{ f: 1, e: 2 }], c: null } }],
  ["a member's members out of order", { a: { d: 1, c: 2 } }],
  ["those of a list", { a: [{ d: 1, c: 2 }] }],
  ["names that are whole numbers, which come first", { "9": 1, "10": 2, "-1": 3, a: 4 }],
  [
    "something with a JSON form of its own",
    { a: Buffer.from("x"), b: new URL("http://a.example") },
  ],
  ["a name that is one of objects' own", JSON.parse('{"a":1,"__proto__":{"c":1,"b":2}}')],
])("sorted members change no text: %s", (_, value: unknown) => {
  const text = canonicalJson(value);
  expect(canonicalJson(sortMembers(value))).toBe(text);
  const names = Object.keys(value as object).toSorted((a, b) => (a < b ? -1 : 1));
  const places = names.map((name) => text.indexOf(`${JSON.stringify(name)}:`));
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(text).not.toMatch(/http|Buffer/);
});

test("what has sorted members is formatted as JSON.stringify does it", () => {
  const sorted = sortMembers({ b: [{ d: 1, c: "x" }], a: { f: null, e: true } });
  expect(JSON.stringify(sorted)).toBe('{"a":{"e":true,"f":null},"b":[{"c":"x","d":1}]}');
});
