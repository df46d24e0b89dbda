import { expect, test } from "vitest";
import { canonicalJson } from "./canonical-json.ts";

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
