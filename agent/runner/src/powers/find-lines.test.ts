import { expect, test } from "vitest";
import { findLines, readAround, type Search, toSmall } from "./find-lines.ts";

const MIB = 1_048_576;

const search = async (content: Buffer, options: Partial<Search> & { text?: string } = {}) => {
  const { text, ...more } = options;
  const reads: number[] = [];
  const found = await findLines(
    (position, length) => {
      reads.push(length);
      return Promise.resolve(content.subarray(position, position + length));
    },
    {
      size: content.length,
      searchBytes: content.length + 1,
      newest: 1000,
      needle: text === undefined ? undefined : Buffer.from(text),
      ignoreCase: false,
      maxBytes: 16 * MIB,
      maxRuns: 1000,
      endsAt: Infinity,
      now: () => 0,
      ...more,
    },
  );
  const text0 = found.runs.map(({ bytes }) => bytes.toString()).join("");
  return { ...found, lines: text0.split("\n").filter((line) => line !== ""), reads };
};

const of = (text: string): Buffer => Buffer.from(text);

test("the newest lines, the last without its end too", async () => {
  for (const [text, newest, lines] of [
    ["a\nb\nc\n", 2, ["b", "c"]],
    ["a\nb\nc", 2, ["b", "c"]],
    ["a\nb\nc\n", 9, ["a", "b", "c"]],
    ["a", 1, ["a"]],
    ["", 1, []],
  ] as const) {
    expect((await search(of(text), { newest })).lines).toEqual(lines);
  }
  expect((await search(of("a\n\n\nb\n"), { newest: 3 })).runs).toEqual([
    { at: 2, bytes: of("\n\nb\n") },
  ]);
});

test("lines with a text, the newest of them, and how many there are", async () => {
  const content = of("one err\ntwo\nerr err\nfour\nfive err");
  expect(await search(content, { text: "err", newest: 2 })).toMatchObject({
    lines: ["err err", "five err"],
    runs: [{ at: 12 }, { at: 25 }],
    matchCount: 3,
    truncated: false,
    searchedBytes: content.length,
  });
  expect((await search(content, { text: "ERR" })).matchCount).toBe(0);
});

test("letter case counts unless it is said not to, and then for A to Z alone", async () => {
  const needle = toSmall(of("ÄRGER Error"));
  expect(needle.toString()).toBe("Ärger error");
  const content = of("Ärger ERROR\närger error\n");
  const { lines } = await search(content, { needle, ignoreCase: true });
  expect(lines).toEqual(["Ärger ERROR"]);
});

test("only whole lines of the searched part are looked at", async () => {
  const content = of("first x\nsecond x\nthird x\n");
  const counts = [];
  for (const searchBytes of [7, 8, 9, 16, 17, 18, 24, 25, 26]) {
    counts.push((await search(content, { text: "x", searchBytes })).matchCount);
  }
  expect(counts).toEqual([0, 1, 1, 1, 2, 2, 2, 3, 3]);
  expect((await search(of("abx\n"), { text: "x", searchBytes: 3 })).matchCount).toBe(0);
});

test("as one who reads all lines finds it, wherever the chunks begin", async () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % below;
  };
  const lines: string[] = [];
  for (let bytes = 0; bytes < 3.3 * MIB; ) {
    const line = `${"abc ".repeat(random(40))}${random(9) === 0 ? "needle" : "n"}${lines.length}`;
    lines.push(line);
    bytes += line.length + 1;
  }
  const content = of(`${lines.join("\n")}\n`);
  const fitting = lines.filter((line) => line.includes("needle"));
  const found = await search(content, { text: "needle", newest: 300, maxRuns: 300 });
  expect(found).toMatchObject({ matchCount: fitting.length, truncated: false });
  expect(found.lines).toEqual(fitting.slice(-300));
  expect(Math.max(...found.reads)).toBeLessThanOrEqual(MIB);
  // One chunk is enough for the newest lines of all.
  expect((await search(content, { newest: 5 })).reads).toHaveLength(1);
});

test("a line that is too long is counted once and not given", async () => {
  const long = Buffer.concat([
    of("a needle\n"),
    ...[of("x".repeat(MIB + 7)), of("needle"), of("y".repeat(1.5 * MIB)), of("needle\n")],
    of("last needle\n"),
  ]);
  expect(await search(long, { text: "needle" })).toMatchObject({
    lines: ["a needle", "last needle"],
    matchCount: 3,
    truncated: true,
  });
  expect(await search(long, { text: "nothing" })).toMatchObject({ matchCount: 0, lines: [] });
  // The text lies over the edge of two chunks of one line.
  const edge = Buffer.concat([of("x".repeat(MIB)), of("needle"), of("y".repeat(2 * MIB - 3))]);
  expect((await search(edge, { text: "needle" })).matchCount).toBe(1);
});

test("the newest stay when the bytes or the places are too many, and it is said", async () => {
  const content = of("1 x\n-\n2 x\n-\n3 x\n");
  for (const limit of [{ maxBytes: 8 }, { maxBytes: 11 }, { maxRuns: 2 }]) {
    expect(await search(content, { text: "x", ...limit })).toMatchObject({
      lines: ["2 x", "3 x"],
      matchCount: 3,
      truncated: true,
    });
  }
});

test("at its deadline it gives what it has, and says how far it came", async () => {
  const content = Buffer.concat([of("old x\n"), of("-\n".repeat(2 * MIB)), of("new x\n")]);
  let looks = 0;
  const found = await search(content, { text: "x", endsAt: 2, now: () => looks++ });
  expect(found).toMatchObject({
    lines: ["new x"],
    matchCount: 1,
    searchedBytes: 2 * MIB,
    cutByDeadline: true,
  });
});

test("what stands around found lines is read only while they are there", async () => {
  const content = of("before\nfound\nafter\n");
  const read = (position: number, length: number) =>
    Promise.resolve(content.subarray(position, position + length));
  const run = { at: 7, bytes: of("found\n") };
  expect(await readAround(read, run, 4, 3)).toEqual({
    bytes: of("ore\nfound\naft"),
    from: 4,
    to: 10,
  });
  expect(await readAround(read, run, 99, 99)).toEqual({ bytes: content, from: 7, to: 13 });
  content.write("FOUND", 7);
  expect(await readAround(read, run, 4, 3)).toBeNull();
});
