import stringWidth from "string-width";
import { expect, test } from "vitest";
import { formatTable } from "./table.ts";

const HEAD = ["NAME", "TEXT"];
const widthsOf = (table: string) => table.split("\n").map((line) => stringWidth(line));

test("columns are as wide as their widest cell", () => {
  expect(
    formatTable(
      HEAD,
      [
        ["a", "one"],
        ["bcdefg", "x"],
      ],
      undefined,
    ),
  ).toBe("NAME    TEXT\na       one\nbcdefg  x");
});

test("wide letters count as two, and the columns after them stand in line", () => {
  const table = formatTable(
    HEAD,
    [
      ["服务器", "x"],
      ["é", "y"],
      ["👩‍👩‍👧", "z"],
    ],
    undefined,
  );
  const starts = table.split("\n").map((line) => stringWidth(line.slice(0, line.search(/\S+$/))));
  expect(new Set(starts).size).toBe(1);
});

test("a table fits the terminal: the widest cells are cut, and say so", () => {
  const rows = [
    ["web-1", "x".repeat(300)],
    ["服务器".repeat(40), "short"],
  ];
  for (const columns of [40, 80, 81, 120]) {
    const table = formatTable(HEAD, rows, columns);
    expect(Math.max(...widthsOf(table))).toBeLessThanOrEqual(columns);
    expect(table).toContain("…");
    expect(table).toContain("web-1");
  }
});

test("without a terminal every cell is whole", () => {
  expect(formatTable(HEAD, [["a", "x".repeat(500)]], undefined)).toContain("x".repeat(500));
});

test("attack 76: what a terminal would obey is shown, and counted as it is shown", () => {
  const table = formatTable(
    HEAD,
    [
      ["\u001b[2J", "x"],
      ["abc\ndef", "y"],
    ],
    undefined,
  );
  // oxlint-disable-next-line no-control-regex
  expect(table).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  expect(table.split("\n")).toHaveLength(3);
  expect(table).toContain("\\u001b[2J");
});
