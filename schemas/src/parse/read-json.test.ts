import { expect, test } from "vitest";
import { readJson, RepeatedName } from "./read-json.ts";
import { parseJson } from "./validator.ts";

/** The name that a text has twice, or null. */
function find(text: string): string | null {
  try {
    readJson(text);
    return null;
  } catch (thrown) {
    if (thrown instanceof RepeatedName) return thrown.repeated;
    throw thrown;
  }
}

test.each([
  ["a name twice", '{"a":1,"a":1}', "a"],
  ["a name three times", '{"a":1,"b":2,"a":3,"a":4}', "a"],
  ["a name and the same with an escape", '{"ab":1,"a\\u0062":2}', "ab"],
  ["two spellings of a quote", '{"\\"":1,"\\u0022":2}', '"'],
  ["two spellings of a slash", '{"/":1,"\\/":2}', "/"],
  ["an empty name twice", '{"":1,"":2}', ""],
  ["a prototype's name twice", '{"__proto__":1,"__proto__":2}', "__proto__"],
  ["an index twice", '{"0":1,"0":2}', "0"],
  ["a name twice, deep down", '[[{"x":[{"y":{"a":1,"b":{},"a":{}}}]}]]', "a"],
  ["a name twice, in a value that is dropped", '{"x":{"a":1,"a":2},"x":3}', "a"],
  ["a value with colons dropped", '{"x":{"a":1,"b":2},"y":"::","x":{"a":1,"c":"}"}}', "x"],
  ["a name twice, with blanks", '{ "a"\n:\t1 , "a" : 2 }', "a"],
  ["a lone surrogate twice", '{"\\ud800":1,"\\uD800":2}', "\ud800"],
])("%s is found", (_what, text, name) => {
  expect(find(text)).toBe(name);
});

test.each([
  '{"a":1,"b":1,"A":1}',
  '[{"a":1},{"a":1}]',
  '{"a":{"a":{"a":[{"a":1}]}}}',
  '{"a":"\\"a\\":1,","b":"{\\"a\\":1,\\"a\\":2}"}',
  '{"a\\\\":1,"a":":\\\\"}',
  '{"\\\\\\"":"\\\\","\\\\":":"}',
  '{"é":1,"e\\u0301":2}',
  '{"__proto__":1,"constructor":2,"toString":3}',
  '{"a":null,"b":[null,{"c":null}]}',
  "{}",
  "[]",
  '":"',
  "7",
  "null",
])("in %s no object has a name twice", (text) => {
  expect(find(text)).toBe(null);
});

/** Mulberry32, a seeded generator: the same numbers in every run. */
function createDice(state: number): (count: number) => number {
  return (count) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % count;
  };
}
const roll = createDice(8);
const NAMES = ["a", "b", "\\u0061", ":", '\\"', "{", "\\\\", "", "__proto__"];

type Written = { text: string; value: unknown; isRepeated: boolean };
const BLANKS = ["", " ", "\n", "\t"];
// JSON.parse reads a single string correctly, so the expected values are made of those.
const unescape = (text: string): string => JSON.parse(`"${text}"`) as string;

/** Writes a random JSON text, with its value and whether an object has a name twice. */
function write(depth: number): Written {
  const kind = depth === 0 ? roll(3) : roll(5);
  const blank = BLANKS[roll(4)] ?? "";
  if (kind === 0) return { text: "-1.5e3", value: -1500, isRepeated: false };
  if (kind === 1) return { text: "null", value: null, isRepeated: false };
  const name = () => NAMES[roll(NAMES.length)] ?? "";
  if (kind === 2) {
    const text = `${name()}:`;
    return { text: `"${text}"`, value: unescape(text), isRepeated: false };
  }
  const parts = Array.from({ length: roll(4) }, () => write(depth - 1));
  const isInside = parts.some(({ isRepeated }) => isRepeated);
  const values = parts.map(({ value }) => value);
  if (kind === 3) {
    const text = `[${parts.map((part) => part.text).join(`,${blank}`)}]`;
    return { text, value: values, isRepeated: isInside };
  }
  const names = parts.map(name);
  const members = parts.map(({ text }, index) => `"${names[index]}"${blank}:${text}`);
  const plain = names.map(unescape);
  return {
    text: `{${members.join(`${blank},`)}}`,
    value: Object.fromEntries(plain.map((own, index) => [own, values[index]])),
    isRepeated: isInside || new Set(plain).size < plain.length,
  };
}

test("50,000 random texts are read as written, but those with a repeated name", () => {
  let repeated = 0;
  for (let round = 0; round < 50_000; round++) {
    const { text, value, isRepeated } = write(5);
    if (isRepeated) repeated += 1;
    expect(find(text) !== null, text).toBe(isRepeated);
    if (!isRepeated) expect(JSON.stringify(readJson(text)), text).toBe(JSON.stringify(value));
  }
  expect(repeated).toBeGreaterThan(1000);
});

test("a name with an escape is read as it is written, whatever was read before", () => {
  // Node 24 would read the second text's name as the first's.
  readJson('{"first":1,"\\\\u006":2}');
  expect(readJson('{"first":1,"\\u0061gent":2}')).toEqual({ first: 1, agent: 2 });
});

const nest = (levels: number, inside: string) =>
  `${'{"a":['.repeat(levels / 2)}${inside}${"]}".repeat(levels / 2)}`;

test("a name twice is found at every depth, and no size exhausts anything", () => {
  expect(find(nest(250, '{"a":1,"a":2}'))).toBe("a");
  expect(find(`{"a":"${'\\"'.repeat(300_000)}","b":"${"\\\\".repeat(300_000)}"}`)).toBe(null);
});

test.each([
  ["as deep as allowed", 254, null],
  ["a level deeper", 256, "at most 256 levels"],
  ["a million levels deep", 1_000_000, "at most 256 levels"],
])("attack 13: a text %s is read or refused before anything recurses", (_what, levels, refusal) => {
  const text = nest(levels, "[]");
  const read = () => JSON.stringify(parseJson(text, "the message", "BAD_REQUEST"));
  if (refusal === null) expect(read()).toBe(text);
  else
    expect(read).toThrow(
      expect.objectContaining({ message: `the message: expected ${refusal}, got more` }),
    );
  // Brackets in a string are no levels.
  expect(parseJson(JSON.stringify({ a: text }), "x", "BAD_REQUEST")).toEqual({ a: text });
});

test("parsed text names the repeated member, with the code of its caller", () => {
  const parse = (text: string) => () => parseJson(text, "trust policy", "CONFIG_INVALID");
  expect(parse('{"a":1,"b":1}')()).toEqual({ a: 1, b: 1 });
  expect(parse('{"grant":1,"grant":2}')).toThrow(
    expect.objectContaining({
      code: "CONFIG_INVALID",
      message: 'trust policy: expected each member once, got "grant" twice',
    }),
  );
});
