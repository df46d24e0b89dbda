import { expect, test } from "vitest";
import { readRefusal } from "./errors.ts";

test("a refusal is read as a problem, and as the body of release 0.1.0", () => {
  const refusal = { code: "NOT_FOUND", message: "expected a pack" };
  const old = { error: { ...refusal, retryable: false, hint: "" } };
  expect(readRefusal(old)).toEqual(refusal);
  expect(readRefusal({ code: "NOT_FOUND", detail: "expected a pack" })).toEqual(refusal);
  // The problem counts where both are there.
  expect(readRefusal({ code: "FORBIDDEN", detail: "no", ...old })).toEqual({
    code: "FORBIDDEN",
    message: "no",
  });
});

test.each([
  null,
  "NOT_FOUND",
  [],
  {},
  { error: null },
  { error: "NOT_FOUND" },
  { error: { code: "__proto__", message: "x" } },
  { error: { error: { code: "NOT_FOUND" } } },
  { code: "A_LATER_CODE", detail: "x" },
  { code: ["NOT_FOUND"] },
])("%j is no refusal of a service", (answer) => {
  expect(readRefusal(answer)).toBeNull();
});

test("a message that is no text is left out", () => {
  expect(readRefusal({ code: "NOT_FOUND", detail: { a: 1 } })).toEqual({
    ...{ code: "NOT_FOUND", message: "" },
  });
});
