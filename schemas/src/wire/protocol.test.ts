import { expect, test } from "vitest";
import { cutCloseReason } from "./protocol.ts";

test("a close reason is cut to its size limit, between two characters", () => {
  expect(cutCloseReason("no protocol in common")).toBe("no protocol in common");
  expect(cutCloseReason("x".repeat(200))).toBe("x".repeat(123));
  // The last character would start at byte 122 and take three bytes.
  expect(cutCloseReason(`${"x".repeat(122)}€`)).toBe("x".repeat(122));
});
