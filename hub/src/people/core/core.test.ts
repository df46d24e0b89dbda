import { expect, test } from "vitest";
import { endsOwner, requireMayChange } from "./account-rules.ts";
import { findWeakness } from "./common-passwords.ts";
import { HOME, readNextPath } from "./next-path.ts";
import { isSameOrigin } from "./same-origin.ts";
import { mayGuess, waitAfter } from "./throttle.ts";
import { codeAt, findStep, stepAt, toBase32, totpAddress } from "./totp.ts";

const SECRET = Buffer.from("12345678901234567890");

// RFC 6238, appendix B, of which six digits are used.
test.each([
  [59, "287082"],
  [1_111_111_109, "081804"],
  [1_111_111_111, "050471"],
  [1_234_567_890, "005924"],
  [2_000_000_000, "279037"],
  [20_000_000_000, "353130"],
])("the code at second %i is %s", (second, code) => {
  expect(codeAt(SECRET, stepAt(new Date(second * 1000)))).toBe(code);
});

test("a code is right in its step and the ones beside it, and after the last used one only", () => {
  const now = new Date(1_000_000_000);
  const step = stepAt(now);
  const find = (of: number, after: number | null = null) =>
    findStep(SECRET, codeAt(SECRET, of), { now, after });
  expect([-2, -1, 0, 1, 2].map((away) => find(step + away))).toEqual([
    ...[null, step - 1, step, step + 1, null],
  ]);
  expect([find(step, step - 1), find(step, step), find(step - 1, step)]).toEqual([
    ...[step, null, null],
  ]);
});

test("a secret is written as apps read it", () => {
  // RFC 4648, 10, and a length that is no multiple of five bits.
  expect(toBase32(Buffer.from("foobar"))).toBe("MZXW6YTBOI");
  expect(totpAddress(SECRET, "hub.example:4310")).toBe(
    "otpauth://totp/Sonde:hub.example%3A4310?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Sonde",
  );
});

test.each([
  ["/fleet?tag=a#b", "/fleet?tag=a#b"],
  ["/", "/"],
  ["//evil.example", HOME],
  ["/\\evil.example", HOME],
  ["/a\\b", HOME],
  ["https://evil.example", HOME],
  ["javascript:alert(1)", HOME],
  ["/\t/evil.example", HOME],
  ["/\n/evil.example", HOME],
  ["", HOME],
  [undefined, HOME],
  [`/${"a".repeat(2000)}`, HOME],
])("attack 38: after a sign-in, %j leads to %j", (next, path) => {
  expect(readNextPath(next)).toBe(path);
});

const HOST = "hub.example:4310";
const OWN = `https://${HOST}`;
test.each<[boolean, string | undefined, string | undefined]>([
  [true, OWN, "same-origin"],
  [true, OWN, undefined],
  [true, undefined, "same-origin"],
  [false, undefined, undefined],
  [false, OWN, "same-site"],
  [false, OWN, "none"],
  [false, undefined, "cross-site"],
  [false, "null", "same-origin"],
  [false, "http://hub.example:4310", "same-origin"],
  [false, "https://hub.example", undefined],
  [false, "https://hub.example:4310.evil.example", undefined],
])(
  "attack 38: that it is of the same origin is %s of origin %s and fetch site %s",
  (is, origin, fetchSite) => {
    expect(isSameOrigin({ host: HOST, origin, fetchSite }, "https")).toBe(is);
  },
);

test("an unknown browser waits longer with each mistake, and an hour at the most", () => {
  const minutes = [4, 5, 6, 10, 11, 50].map((failures) => waitAfter(failures) / 60_000);
  expect(minutes).toEqual([0, 1, 2, 32, 60, 60]);
  const failedAt = new Date(0);
  const may = (ms: number) => mayGuess({ failures: 5, failedAt }, new Date(ms));
  expect([may(59_999), may(60_000)]).toEqual([false, true]);
  expect(mayGuess({ failures: 0, failedAt: null }, new Date(0))).toBe(true);
});

test.each([
  ["passwordpassword", false],
  ["PasswordPassword", false],
  ["aaaabbbbaaaabbbb", false],
  ["ada.lovelace1", false],
  ["ada.lovelace and a horse", true],
  ["a horse on the moon 7", true],
])("whether %s is a password for ada.lovelace: %s", (password, is) => {
  expect(findWeakness(password, "ada.lovelace") === null).toBe(is);
});

const owner = { role: "owner", disabled: false } as const;
const admin = { role: "admin", disabled: false } as const;
test("what takes an owner away", () => {
  expect(endsOwner(owner, null)).toBe(true);
  expect(endsOwner(owner, admin)).toBe(true);
  expect(endsOwner(owner, { ...owner, disabled: true })).toBe(true);
  expect(endsOwner({ ...owner, disabled: true }, null)).toBe(false);
  expect(endsOwner(admin, null)).toBe(false);
  expect(endsOwner(owner, owner)).toBe(false);
});

test("owners are for those who manage owners", () => {
  expect(() => requireMayChange(owner, admin, false)).toThrow("only an owner");
  expect(() => requireMayChange(admin, owner, false)).toThrow("only an owner");
  expect(() => requireMayChange(null, owner, false)).toThrow("only an owner");
  expect(() => requireMayChange(owner, null, true)).not.toThrow();
  expect(() => requireMayChange(admin, null, false)).not.toThrow();
});
