import { expect, test } from "vitest";
import { parseProcessStat } from "./parse-process-stat.ts";

const rest =
  "S 1 7 7 0 -1 4194304 10 0 0 0 31 11 0 0 20 0 3 0 2500 9000000 250 18446744073709551615 1";

test.each([
  "sleep",
  "odd (a) b",
  "a) R 9 9 (b",
  "",
  "line\nbreak",
  ")",
  "(",
  "\u202Egnp",
  "caf\uFFFD",
])("a process called %j is read whole", (name) => {
  expect(parseProcessStat(`42 (${name}) ${rest}\n`)).toEqual({
    pid: 42,
    name,
    state: "S",
    parentPid: 1,
    cpuTicks: 42,
    threadCount: 3,
    startTicks: 2500,
    residentPages: 250,
  });
});

test.each(["", "42", "42 (cut", "42 (a) S 1 2", "x (a) " + rest])("%j is no process", (line) => {
  expect(parseProcessStat(line)).toBeUndefined();
});
