import { expect, test } from "vitest";
import { diffLines } from "./diff-lines.ts";

const SIGNS = { added: "+", removed: "-", same: " ", "left-out": "…" };
const show = (before: string[], after: string[]) =>
  diffLines(before.join("\n"), after.join("\n"))?.map(({ line, is }) => `${SIGNS[is]}${line}`);

test("equal texts have no lines", () => {
  expect(show(["a", "b"], ["a", "b"])).toEqual([]);
  expect(show([""], [""])).toEqual([]);
});

test("lines that differ are shown with two around them, and what is left out is marked", () => {
  const many = ["1", "2", "3", "4", "5", "6"];
  expect(show([...many, "old", ...many], [...many, "new", "more", ...many])).toEqual([
    ...["…", " 5", " 6", "-old", "+new", "+more", " 1", " 2", "…"],
  ]);
});

test("the longest common lines stay", () => {
  expect(show(["a", "b", "c", "d"], ["b", "x", "d", "e"])).toEqual([
    "-a",
    " b",
    "-c",
    "+x",
    " d",
    "+e",
  ]);
  expect(show(["a"], [])).toEqual(["-a", "+"]);
  expect(show(["a", "a"], ["a", "a", "a"])).toEqual([" a", " a", "+a"]);
});

test("every line of both texts is there, in order, when nothing is far away", () => {
  // Short texts of three letters: each pair of the first 200.
  const texts = Array.from({ length: 200 }, (_, seed) =>
    Array.from({ length: seed % 5 }, (__, at) => "abc"[(seed >> (at * 2)) % 3] ?? "a").join("\n"),
  );
  for (const [index, before] of texts.entries()) {
    const after = texts[(index * 37 + 11) % texts.length] ?? "";
    const lines = diffLines(before, after) ?? [];
    if (before === after) continue;
    const side = (without: string) =>
      lines.filter(({ is }) => is !== without && is !== "left-out").map(({ line }) => line);
    expect([before, after].map((text) => text.split("\n"))).toEqual([
      expect.arrayContaining(side("added")),
      expect.arrayContaining(side("removed")),
    ]);
  }
});

test("texts that differ in too many lines are not compared", () => {
  const lines = (word: string, count: number) =>
    Array.from({ length: count }, (_, n) => `${word}${n}`);
  expect(show(lines("a", 500), lines("b", 500))?.length).toBe(1000);
  expect(show(lines("a", 501), lines("b", 500))).toBeUndefined();
  expect(diffLines(lines("a", 2000).join("\n"), "")).toBeNull();
  // Few lines differ, but to find them takes too many comparisons.
  const apart = (count: number) => {
    const middle = lines("same", count);
    return show(["a", ...middle, "b"], ["c", ...middle, "d"])?.length;
  };
  expect([apart(400), apart(600)]).toEqual([9, undefined]);
});
