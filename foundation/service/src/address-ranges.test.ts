import { expect, test } from "vitest";
import { compileRanges } from "./address-ranges.ts";

test.each([
  ["192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7", "::FFFF:192.0.2.7"]],
  ["10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"]],
  ["0.0.0.0/0", ["203.0.113.9", "::ffff:203.0.113.9"]],
  ["2001:db8::/32", ["2001:db8::1", "2001:0DB8:ffff::", "2001:db8:0:0:0:0:0:1"]],
  ["fe80::/10", ["fe80::1%eth0", "fe80::1"]],
  ["::1", ["::1", "0:0:0:0:0:0:0:1"]],
])("%s has %j", (range, addresses) => {
  const indexOf = compileRanges(["198.51.100.1", range]);
  for (const address of addresses) expect(indexOf(address), address).toBe(1);
});

// Attack 39: near misses, and other ways to write an address.
test.each([
  [
    "192.0.2.7",
    ["192.0.2.70", "192.0.2.6", "::192.0.2.7", "::ffff:0:192.0.2.7", "::ffff:192.0.2.8"],
  ],
  ["10.0.0.0/8", ["11.0.0.0", "9.255.255.255", "010.0.0.1", "10.1", "0x0a000001", "167772161"]],
  ["0.0.0.0/0", ["::1", "2001:db8::1", "::203.0.113.9"]],
  ["::/0", ["192.0.2.7", "::ffff:192.0.2.7"]],
  ["2001:db8::/32", ["2001:db9::", "2001:db7:ffff::", "::2001:db8"]],
  [
    "192.0.2.7",
    ["", " 192.0.2.7", "192.0.2.7 ", "192.0.2.7,10.0.0.1", "192.0.2.7:80", "localhost"],
  ],
])("%s has none of %j", (range, addresses) => {
  const indexOf = compileRanges([range]);
  for (const address of addresses) expect(indexOf(address), address).toBe(-1);
});

test.each([
  ...["", "all", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0/8"],
  ...[
    "::/129",
    "::ffff:10.0.0.1",
    "::ffff:10.0.0.0/104",
    "fe80::1%eth0",
    "10.0.0.0/8/8",
    "10.0.0.*",
  ],
])("%j is refused as a range", (range) => {
  expect(() => compileRanges([range])).toThrow(/addresses: expected/);
});
