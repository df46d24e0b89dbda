import { expect, test } from "vitest";
import { canonicalJson } from "./canonical-json.ts";

test("equal values give the same text, whatever the order of their members", () => {
  expect(canonicalJson({ b: [1, { d: null, c: "x" }], a: 2, e: undefined })).toBe(
    '{"a":2,"b":[1,{"c":"x","d":null}]}',
  );
});
