import { expect, test } from "vitest";
import { grownBy, parseProtocolCounters } from "./parse-counters.ts";

test("names and numbers of two lines belong together, and one line alone says nothing", () => {
  const text =
    "Tcp: RtoAlgorithm MaxConn RetransSegs\nTcp: 1 -1 17\nIp: Forwarding\nUdp: InErrors\nUdp: 3\n";
  expect([...parseProtocolCounters(text)]).toEqual([
    ["Tcp.RtoAlgorithm", 1],
    ["Tcp.MaxConn", -1],
    ["Tcp.RetransSegs", 17],
    ["Udp.InErrors", 3],
  ]);
});

test("what is not counted has not grown by nothing", () => {
  const before = new Map([["a", 5]]);
  expect(grownBy(before, new Map([["a", 7]]), "a")).toBe(2);
  expect(grownBy(before, new Map([["a", 1]]), "a")).toBe(0);
  expect(grownBy(before, new Map(), "a")).toBeNull();
});
