import { expect, test } from "vitest";
import { parsePublicNames, publicBindAddress, toUrlHost } from "./public-names.ts";

test("names and addresses of the network are taken, each once, in lower case", () => {
  const given = [
    "Hub.Example.internal",
    "192.0.2.1",
    "[2001:db8::1]",
    "hub.example.internal",
    "hub",
  ];
  expect(parsePublicNames(given)).toEqual([
    "hub.example.internal",
    "192.0.2.1",
    "2001:db8::1",
    "hub",
  ]);
});

test.each([
  "localhost",
  "a.localhost",
  "127.0.0.1",
  "127.1.2.3",
  "::1",
  "0.0.0.0",
  "::",
  "https://hub.example",
  "hub.example:4310",
  "hub_1",
  "-hub",
  "hub.",
  "*.example",
  "192.0.2",
  "300.0.2.1",
  "",
  "a".repeat(64),
])("%j is refused", (name) => {
  expect(() => parsePublicNames([name])).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
});

test("IPv6 is listened on where a name is an IPv6 address", () => {
  expect(publicBindAddress(["hub.example", "192.0.2.1"])).toBe("0.0.0.0");
  expect(publicBindAddress(["hub.example", "2001:db8::1"])).toBe("::");
  expect(toUrlHost("2001:db8::1")).toBe("[2001:db8::1]");
});
