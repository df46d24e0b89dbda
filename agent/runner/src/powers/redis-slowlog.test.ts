import { expect, test } from "vitest";
import { withoutArguments } from "./redis-slowlog.ts";

const shownOf = (given: string[]): unknown => {
  const reply = withoutArguments([[7, 1_700_000_000, 12_345, given, "127.0.0.1:1", "web"]]);
  const [entry] = reply as unknown[][];
  expect(entry?.toSpliced(3, 1)).toEqual([7, 1_700_000_000, 12_345, "127.0.0.1:1", "web"]);
  return entry?.[3];
};

// Attack 53.
test.each<[string, string[], unknown]>([
  ["a key and a value", ["set", "session:42", "hunter2"], ["SET", 2, 17, 10]],
  ["no arguments", ["PING"], ["PING", 0, 0, 0]],
  ["nothing", [], ["?", 0, 0, 0]],
  ["bytes that are no text", ["GET", "\u0000\u00ff\u00fe"], ["GET", 1, 3, 3]],
  ["the name of a part", ["config", "get", "requirepass"], ["CONFIG GET", 1, 11, 11]],
  ["a key that looks like a part", ["GET", "get"], ["GET", 1, 3, 3]],
  ["a part that is none", ["CONFIG", "hunter2 is it"], ["CONFIG", 1, 13, 13]],
  ["a command under a secret name", ["b840fc02d524", "a"], ["?", 1, 1, 1]],
  ["a name as a script made it", ["SET a b", "c"], ["?", 1, 1, 1]],
  [
    "an argument that the server cut",
    ["SET", "k", `${"x".repeat(128)}... (872 more bytes)`],
    ["SET", 2, 1001, 1000],
  ],
  [
    "arguments that the server cut",
    ["DEL", ...Array.from({ length: 30 }, () => "abc"), "... (69 more arguments)"],
    ["DEL", 99, 90, 3],
  ],
])("of %s there are names and sizes only", (_, given, shown) => {
  expect(shownOf(given)).toEqual(shown);
});

test("what is no slow log is not passed on", () => {
  for (const reply of ["text", null, 3, [1], [[1, 2, 3]], [[1, 2, 3, "SET a b"]]]) {
    expect(() => withoutArguments(reply)).toThrow(/expected an entry of the slow log/);
  }
  expect(withoutArguments([])).toEqual([]);
  expect(withoutArguments([[1, 2, 3, ["GET", "a"]]])).toEqual([[1, 2, 3, ["GET", 1, 1, 1]]]);
});
