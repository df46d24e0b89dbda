import { expect, test } from "vitest";
import { createKeySecret, mayBeKey } from "./key-secret.ts";

test("a key has its checksum, by which a mistyped one is known", () => {
  const secret = createKeySecret();
  expect(secret).toMatch(/^sonde_ak_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}$/);
  expect(mayBeKey(secret)).toBe(true);
  expect(createKeySecret()).not.toBe(secret);
  const misses = Array.from(secret, (letter, at) => {
    const other = letter === "a" ? "b" : "a";
    return `${secret.slice(0, at)}${other}${secret.slice(at + 1)}`;
  });
  expect(misses.filter(mayBeKey)).toEqual([]);
  const swapped = Array.from({ length: secret.length - 1 }, (_, at) => {
    const [one = "", two = ""] = secret.slice(at);
    return `${secret.slice(0, at)}${two}${one}${secret.slice(at + 2)}`;
  }).filter((text) => text !== secret);
  expect(swapped.length).toBeGreaterThan(40);
  expect(swapped.filter(mayBeKey)).toEqual([]);
});

test("the checksum is the one that scanners compute", () => {
  // printf %s sonde_ak_xxx... | crc32, in base 62 with digits before letters.
  expect(mayBeKey(`sonde_ak_${"x".repeat(43)}1ky75t`)).toBe(true);
});

test.each([
  ["an older one without a checksum", `sonde_ak_${"x".repeat(43)}`, true],
  ["one that was cut", createKeySecret().slice(0, -1), false],
  ["one that is longer", `${createKeySecret()}x`, false],
  ["one of another kind", createKeySecret().replace("sonde_ak_", "sonde_at_"), false],
  ["nothing", "", false],
])("%s", (_what, secret, may) => {
  expect(mayBeKey(secret)).toBe(may);
});
