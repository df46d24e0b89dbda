import { expect, test } from "vitest";
import { whyNotPublic, whyUnreachable } from "./unreachable-addresses.ts";

test.each([
  ...["127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255"],
  ...["192.168.1.1", "100.64.0.1", "169.254.169.254", "168.63.129.16", "100.100.100.200"],
  ...["192.0.0.192", "198.18.0.1", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255"],
  ...[
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::a9fe:a9fe",
  ],
  ...["64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "2001::1"],
  ...["fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "4000::1", "localhost", ""],
])("attack 31: %j is not on the public internet", (address) => {
  expect(whyNotPublic(address)).toContain(address);
});

test.each([
  ...["1.1.1.1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1", "223.255.0.1"],
  ...["2606:4700:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888"],
])("%s is on the public internet", (address) => {
  expect(whyNotPublic(address)).toBe(null);
});

test("a pack may reach a private address, but no link-local one", () => {
  expect(whyUnreachable("10.1.2.3")).toBe(null);
  expect(whyUnreachable("169.254.1.1")).toContain("link-local");
});
