import { expect, test } from "vitest";
import type { Look } from "./power.ts";
import { RedisRefusal, ReplyReader } from "./redis-reply.ts";

type Read = Look<"redis"> | null;

/** Gives the bytes in pieces of each size: an answer is the same however it comes. */
function read(bytes: string, maxBytes = 4096): Read {
  const whole = Buffer.from(bytes, "utf8");
  const looks = [whole.length, 7, 1].map((size) => {
    const reader = new ReplyReader(maxBytes);
    for (let at = 0; at < whole.length; at += size) {
      const look = reader.take(whole.subarray(at, at + size));
      if (look !== null) return { ...look, bytes: 0 };
    }
    return null;
  });
  const [first = null] = looks;
  for (const other of looks) expect(other).toEqual(first);
  return first;
}
const replyOf = (bytes: string, maxBytes?: number) => read(bytes, maxBytes)?.data.reply;

test.each<[string, unknown]>([
  ["+OK\r\n", "OK"],
  [":-42\r\n", -42],
  [":9223372036854775807\r\n", "9223372036854775807"],
  ["$5\r\na\r\nb\u0001\r\n", "a\r\nb\u0001"],
  ["$0\r\n\r\n", ""],
  ["$-1\r\n", null],
  ["*-1\r\n", null],
  ["*0\r\n", []],
  ["*3\r\n:1\r\n$4\r\nüü\r\n*2\r\n*1\r\n+x\r\n*0\r\n", [1, "üü", [["x"], []]]],
])("%j is read as it is meant", (bytes, reply) => {
  expect(read(bytes)).toMatchObject({ data: { reply }, truncated: false, margins: {} });
});

test("each byte of a text is a character where it is asked for so", () => {
  const bytes = Buffer.from("$3\r\n\u00ff\u00fea\r\n", "latin1");
  expect(new ReplyReader(100, "latin1").take(bytes)?.data.reply).toBe("\u00ff\u00fea");
  expect(new ReplyReader(100).take(bytes)?.data.reply).toBe("\ufffd\ufffda");
});

test("what is not whole is waited for", () => {
  for (const bytes of ["$5\r\nabc", "*2\r\n:1\r\n", ":12", "*1\r\n$-1", "$3\r\nabc"]) {
    expect(read(bytes), bytes).toBeNull();
  }
});

test("an error of the server is one, with its words", () => {
  expect(() => read("-NOAUTH Authentication required.\r\n")).toThrow(RedisRefusal);
  expect(() => read("-NOAUTH Authentication required.\r\n")).toThrow(/^NOAUTH Auth/);
});

// Attack 56.
test.each([
  ["another type", "%1\r\n+a\r\n:1\r\n"],
  ["a page", "HTTP/1.1 400 Bad Request\r\n\r\n"],
  ["a length that is none", "$1e9\r\n"],
  ["a negative length", "*-2\r\n"],
  ["a number that is none", ":0x10\r\n"],
  ["a text of another length", "$2\r\nabcd\r\n"],
  ["an error within a list", "*1\r\n-ERR no\r\n"],
  ["lists within lists", "*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"],
  ["a line that does not end", `+${"a".repeat(5000)}`],
  ["a line that ends late", `*1\r\n+${"a".repeat(5000)}\r\n`],
])("%s is no answer", (_, bytes) => {
  expect(() => read(bytes)).toThrow(/^expected an answer of Redis, got /);
});

// Attack 56.
test("a text is cut at the cap, at a whole character, and what stands behind it is kept apart", () => {
  const text = "ab\u00fc".repeat(10_000);
  const look = read(`$${Buffer.byteLength(text)}\r\n${text}\r\n`, 7);
  expect(look).toMatchObject({ data: { reply: "ab\u00fcab" }, truncated: true });
  expect(look?.margins["reply"]?.after).toHaveLength(12_289);
  const endless = read(`$999999999999\r\n${"x".repeat(20_000)}`, 3000);
  expect(endless).toMatchObject({ data: { reply: "x".repeat(3000) }, truncated: true });
  expect(replyOf("$7\r\nabcdefg\r\n", 7)).toBe("abcdefg");
});

// Attack 56.
test("a list that does not end is given as far as it came", () => {
  const entry = "*1\r\n$100\r\n" + "y".repeat(100) + "\r\n";
  const look = read(`*999999999999\r\n${entry.repeat(200)}`, 4096);
  expect(look?.truncated).toBe(true);
  const reply = look?.data.reply as string[][];
  expect(reply.length).toBeGreaterThan(30);
  expect(new Set(reply.map((part) => JSON.stringify(part)))).toEqual(
    new Set([JSON.stringify(["y".repeat(100)])]),
  );
  // A text within a list is no whole part.
  expect(replyOf(`*2\r\n:1\r\n$999999\r\n${"z".repeat(21_000)}`)).toEqual([1]);
});

// Attack 56.
test("memory is that of what came, whatever is announced", () => {
  const before = process.memoryUsage();
  const reader = new ReplyReader(4096);
  for (let count = 0; count < 3; count++) reader.take(Buffer.from("*30000000\r\n"));
  const { heapUsed, external } = process.memoryUsage();
  expect(heapUsed + external - before.heapUsed - before.external).toBeLessThan(50e6);
});
