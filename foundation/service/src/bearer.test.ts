import { expect, test } from "vitest";
import { readBearer } from "./bearer.ts";

test.each(["Bearer a.b-c", "bearer a.b-c", "BEARER   a.b-c", "bEaReR a.b-c "])(
  "%j carries a token",
  (header) => {
    expect(readBearer(header)).toBe("a.b-c");
  },
);

test.each([
  undefined,
  "",
  "Bearer",
  "Bearer ",
  "Basic a.b-c",
  "Bearer a b",
  "Bearer\ta",
  "xBearer a",
])("%j carries none", (header) => {
  expect(readBearer(header)).toBe(null);
});
