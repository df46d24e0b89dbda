import { expect, test } from "vitest";
import { compileOwnRules } from "./own-patterns.ts";
import { type ScrubRun, buildRedactions, scrub, scrubWindow, startOwn } from "./scrub.ts";
import { SecretNumbers } from "./secret-numbers.ts";
import { buildIndependent } from "./testing/independent-corpus.ts";

const startRun = (numbers = new SecretNumbers()): ScrubRun => ({
  deadline: Infinity,
  now: () => 0,
  counts: new Map(),
  numbers,
});

test("equal secrets of an answer have equal numbers, whatever rule finds them", async () => {
  const own = startOwn(
    await compileOwnRules([{ name: "badge", pattern: "BADGE-[0-9]{6}", example: "BADGE-000000" }]),
  );
  const run = { ...startRun(), own };
  const value = {
    env: "DB_PASSWORD=hunter2hunter2\nAPI_TOKEN=swordfish12",
    members: { password: "swordfish12", secret: 12345678 },
    address: "postgres://app:hunter2hunter2@db/x",
    body: JSON.stringify({ token: "12345678" }),
    badges: ["BADGE-111111", "BADGE-222222", "BADGE-111111"],
  };
  expect(scrub(value, run)).toEqual({
    env: "DB_PASSWORD=[redacted:password#1]\nAPI_TOKEN=[redacted:token#2]",
    members: { password: "[redacted:password#2]", secret: "[redacted:secret#3]" },
    address: "postgres://app:[redacted:url-credentials#1]@db/x",
    body: '{"token":"[redacted:token#3]"}',
    badges: ["[redacted:own-badge#4]", "[redacted:own-badge#5]", "[redacted:own-badge#4]"],
  });
  expect(buildRedactions(run).rules).toEqual({
    ...{ "own-badge": 3, password: 2, secret: 1, token: 2, "url-credentials": 1 },
  });
});

test("in another answer the same secrets are numbered anew", () => {
  const numbers = ["token=abcdefgh1, token=ijklmnop2", "token=ijklmnop2"].map((text) =>
    scrub(text, startRun()),
  );
  expect(numbers).toEqual([
    "token=[redacted:token#1], token=[redacted:token#2]",
    "token=[redacted:token#1]",
  ]);
});

test("no marker is scrubbed twice, with its number too", () => {
  const texts = buildIndependent("secrets", 7).map(({ text }) => text);
  const once = texts.map((text) => scrub(text, startRun()));
  const again = startRun();
  expect(once.map((text) => scrub(text, again))).toEqual(once);
  const members = { password: "[redacted:token#7]", list: ["--password", "[redacted:token#7]"] };
  expect(scrub(members, again)).toEqual(members);
  expect(buildRedactions(again).count).toBe(0);
});

test("a guess has at most 64 tries, and then no number tells anything", () => {
  const guesses = Array.from({ length: 100 }, (_, index) => `guess-${index}`);
  const values = ["guess-99", ...guesses, "guess-3"];
  const clean = scrub(
    values.map((password) => ({ password })),
    startRun(),
  ) as { password: string }[];
  expect(clean[64]?.password).toBe("[redacted:password]");
  const numbered = clean.filter(({ password }) => password.includes("#"));
  expect(numbered).toHaveLength(64);
  expect(clean.slice(64).every(({ password }) => password === "[redacted:password]")).toBe(true);
});

test("after `forget` a secret has another number", () => {
  const numbers = new SecretNumbers();
  const run = startRun(numbers);
  expect(scrub("token=abcdefgh1", run)).toBe("token=[redacted:token#1]");
  numbers.forget();
  expect(scrub("token=abcdefgh1, token=abcdefgh1", run)).toBe(
    "token=[redacted:token#2], token=[redacted:token#2]",
  );
});

test("what stands outside of a window takes no number", () => {
  const text = "token=abcdefgh1\ntoken=ijklmnop2";
  expect(scrubWindow(text, { from: 16, to: text.length }, startRun())).toBe(
    "token=[redacted:token#1]",
  );
});
