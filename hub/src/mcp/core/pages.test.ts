import { scrub } from "@sonde/scrub";
import { expect, test } from "vitest";
import { cutPages, MAX_PAGES, PAGE_CHARACTERS, readCursor, writeCursor } from "./pages.ts";
import { renderText } from "./render-text.ts";

const MARK = "1a2b3c4d";
const ID = "0b5f6c1e-8a43-4d0e-9d6b-0f2a7a1c9e11";

function render(data: Record<string, unknown>): string {
  const redactions = { count: 0, rules: {} };
  return renderText([{ agent: "web-1", status: "ok", data, redactions, collectedAt: null }], MARK);
}

const lines = Array.from({ length: 3_000 }, (_, index) => ({ line: `entry ${index} of a log` }));

test.each([
  ["tables", { lines }],
  ["one line", { text: "🙂x".repeat(40_000) }],
  ["little", { text: "x" }],
])("pages of %s are the whole text, each short and with its data marked", (_what, data) => {
  const text = render(data);
  const { pages, lost } = cutPages(text, MARK);
  expect(lost).toBe(0);
  const inner = pages.map((page) => page.split("\n"));
  for (const page of inner) {
    expect(page.join("\n").length).toBeLessThan(PAGE_CHARACTERS + 100);
    expect(page[0]).toMatch(new RegExp(`^<<<data ${MARK}`));
    expect(page.at(-1)).toBe(`data ${MARK}>>>`);
    expect(page.join("").isWellFormed()).toBe(true);
  }
  const own = inner.map((page) => page.slice(1, -1).join("\n"));
  const whole = text.split("\n").slice(1, -1).join("\n");
  expect(own.join("").replaceAll("\n", "")).toBe(whole.replaceAll("\n", ""));
});

test("a text that is longer than all pages loses its end, and says how much", () => {
  const text = render({ text: "x".repeat(MAX_PAGES * PAGE_CHARACTERS + 5_000) });
  const { pages, lost } = cutPages(text, MARK);
  expect(pages.length).toBe(MAX_PAGES);
  expect(lost).toBeGreaterThan(5_000);
  expect(lost).toBeLessThan(PAGE_CHARACTERS);
  expect(pages.at(-1)).toMatch(
    new RegExp(`data ${MARK}>>>\n${lost} characters more were not kept.`),
  );
});

test("attack 53: of a secret at a page's edge no part is shown, because data is scrubbed before it is cut", () => {
  const secret = "Zq7Xw9Lk3Vb8";
  const parts = Array.from({ length: secret.length - 3 }, (_, at) => secret.slice(at, at + 4));
  const pagesOf = (data: unknown) => cutPages(render(data as Record<string, unknown>), MARK).pages;
  const edges = Array.from({ length: 40 }, (_, before) => {
    const text = `${"x ".repeat(PAGE_CHARACTERS / 2 - 40)}${"x".repeat(before)} password=${secret} ${"y ".repeat(9_000)}`;
    const clean = scrub({ text }, { deadline: Infinity, now: () => 0, counts: new Map() });
    return { raw: pagesOf({ text }), cut: pagesOf(clean) };
  });
  const isDivided = (pages: string[], word: string) =>
    pages.length > 1 && !pages.some((page) => page.includes(word));
  expect(edges.some(({ raw }) => isDivided(raw, secret))).toBe(true);
  expect(edges.some(({ cut }) => isDivided(cut, "[redacted:password]"))).toBe(true);
  for (const { cut } of edges) {
    expect(parts.filter((part) => cut.some((page) => page.includes(part)))).toEqual([]);
  }
});

test("a cursor is read as it was written, and nothing else is one", () => {
  expect(readCursor(writeCursor({ id: ID, page: 7 }))).toEqual({ id: ID, page: 7 });
  for (const text of ["", ID, `${ID}.0`, `${ID}.1000`, `${ID}.1 `, `x${ID}.1`, `${ID}.1'; --`]) {
    expect(readCursor(text)).toBe(null);
  }
});
