import { expect, test } from "vitest";
import { parseAddCheckpoint, writeAddCheckpoint } from "./add-checkpoint.ts";

// The example of the specification.
const EXAMPLE = `old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
\u2014 example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
`;
const HASH = Buffer.alloc(32, 7).toString("base64");

test("the example of the specification is read, and written the same", () => {
  const read = parseAddCheckpoint(Buffer.from(EXAMPLE));
  expect(read.from).toBe(20_852_014);
  expect(read.proof).toHaveLength(4);
  expect(read.note).toMatch(/^example\.com\/behind-the-sofa\n20852163\n/);
  expect(writeAddCheckpoint(read)).toBe(EXAMPLE);
});

test("a first checkpoint has no proof", () => {
  const note = "log\n1\nroot\n\n\u2014 log AAAA\n";
  const text = writeAddCheckpoint({ from: 0, proof: [], note });
  expect(text).toBe(`old 0\n\n${note}`);
  expect(parseAddCheckpoint(Buffer.from(text))).toEqual({ from: 0, proof: [], note });
});

test.each<[string, string | Buffer]>([
  ["nothing", ""],
  ["no empty line", `old 3\n${HASH}\n`],
  ["no old size", `${HASH}\n\nnote`],
  ["a size with a zero in front", "old 03\n\nnote"],
  ["a negative size", "old -3\n\nnote"],
  ["a size that no number holds", "old 9999999999999999\n\nnote"],
  ["two spaces", "old  3\n\nnote"],
  ["a carriage return", "old 3\r\n\r\nnote"],
  ["a short hash", "old 3\nAAAA\n\nnote"],
  ["a hash in another spelling", `old 3\n${HASH.replace("c=", "d=")}\n\nnote`],
  ["no base64", "old 3\n!!!!\n\nnote"],
  ["64 hashes", `old 3\n${`${HASH}\n`.repeat(64)}\nnote`],
  ["no UTF-8", Buffer.from([0x6f, 0x6c, 0x64, 0x20, 0x33, 0x0a, 0x0a, 0xff])],
])("a body with %s is refused", (_what, body) => {
  expect(() => parseAddCheckpoint(Buffer.from(body))).toThrow(
    expect.objectContaining({ code: "BAD_REQUEST" }) as Error,
  );
});

test("63 hashes are the most", () => {
  expect(parseAddCheckpoint(Buffer.from(`old 3\n${`${HASH}\n`.repeat(63)}\nx`)).proof).toHaveLength(
    63,
  );
});
