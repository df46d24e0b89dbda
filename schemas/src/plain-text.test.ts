import { expect, test } from "vitest";
import { SondeError } from "./errors.ts";
import { toPlainLine, toPlainText } from "./plain-text.ts";

// Commands of terminals (also as one character of C1), direction, zero width, a broken pair.
const HOSTILE = "\u001b]0;title\u0007\u009b2J\r\u202eevil\u200b\ud800\u{e0041}";
const SHOWN = String.raw`\u001b]0;title\u0007\u009b2J\r\u202eevil\u200b\ud800\udb40\udc41`;

test("what a terminal obeys or nobody sees is shown as an escape", () => {
  expect(toPlainLine(`${HOSTILE}\n`)).toBe(`${SHOWN}\\n`);
  expect(toPlainText(`${HOSTILE}\n`)).toBe(`${SHOWN}\n`);
});

test("lines, tabs, other scripts and Sonde's own colours stay", () => {
  const text = "\u001b[1m\u001b[36mcafé\u001b[39m\u001b[22m\n\t日本 ✓";
  expect(toPlainText(text)).toBe(text);
  expect(toPlainText("\u001b[8mhidden\u001b[2J")).toBe(String.raw`\u001b[8mhidden\u001b[2J`);
});

test("JSON keeps its value", () => {
  const printed = toPlainText(JSON.stringify({ text: HOSTILE }));
  expect(JSON.parse(printed)).toEqual({ text: HOSTILE });
});

test("an error is one line in which everything shows", () => {
  const { message } = new SondeError("FORBIDDEN", `no\n  next: run this${HOSTILE}`);
  expect(message).toBe(String.raw`no\n  next: run this` + SHOWN);
});
