import { expect, test } from "vitest";
import { readArguments } from "./call-command.ts";
import { toPresentNames } from "./former-names.ts";

test.each([
  ["hub keys", "keys"],
  ["hub keys add x --role client", "keys add x --role client"],
  ["hub install acme/web --on role=web", "packs install acme/web --on role=web"],
  ["hub remove acme/web", "packs revoke acme/web"],
  ["hub approve-tools acme/web", "packs approve acme/web"],
  ["hub audit --verify", "audit --verify"],
  ["hub backup x", "hub backup x"],
  ["agents list", "agents list"],
  ["keys", "keys"],
  ["", ""],
])("%s is %s", (typed, now) => {
  expect(toPresentNames(typed.split(" ")).join(" ")).toBe(now);
});

test("arguments of a call are JSON where they can be, else text", () => {
  expect(
    readArguments(["top=5", "all=true", "unit=ssh.service", 'names=["a","b"]', "x=a=b"]),
  ).toEqual({
    ...{ top: 5, all: true, unit: "ssh.service", names: ["a", "b"], x: "a=b" },
  });
  for (const given of [["top"], ["=5"], ["a=1", "a=2"]]) {
    expect(() => readArguments(given)).toThrow(
      expect.objectContaining({ code: "BAD_REQUEST" }) as Error,
    );
  }
  expect(Object.keys(readArguments(["__proto__=1"]))).toEqual(["__proto__"]);
});
