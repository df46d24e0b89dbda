import { expect, test } from "vitest";
import { compileOwnRules } from "./own-patterns.ts";
import { type ScrubRun, buildRedactions, scrub, scrubWindow, startOwn } from "./scrub.ts";

const BADGE = { name: "badge", pattern: "BADGE-[0-9]{6}", example: "BADGE-000000" };
const patternOf = (pattern: string, example: string, name = "mine") => ({ name, pattern, example });

async function startRun(...patterns: (typeof BADGE)[]): Promise<ScrubRun> {
  const own = startOwn(await compileOwnRules(patterns));
  return { deadline: Infinity, now: () => performance.now(), counts: new Map(), own };
}

const cleanWith = async (value: unknown, ...patterns: (typeof BADGE)[]) =>
  scrub(value, await startRun(...patterns));

test("what an own pattern matches is a marker in values, names, numbers and JSON texts", async () => {
  const run = await startRun(BADGE, patternOf("[0-9]{16}", "0".repeat(16), "card"));
  const value = {
    text: "seen BADGE-123456, BADGE-654321\nand BADGE-111111",
    "BADGE-222222": [{ card: 4111111111111111, port: 8080 }],
    body: JSON.stringify({ deep: ["BADGE-333333"] }),
    short: "BADGE-12345",
  };
  expect(scrub(value, run)).toEqual({
    text: "seen [redacted:own-badge], [redacted:own-badge]\nand [redacted:own-badge]",
    "[redacted:own-badge]": [{ card: "[redacted:own-card]", port: 8080 }],
    body: '{"deep":["[redacted:own-badge]"]}',
    short: "BADGE-12345",
  });
  expect(buildRedactions(run)).toEqual({ count: 6, rules: { "own-badge": 5, "own-card": 1 } });
});

test("a text shorter than every built-in rule is searched", async () => {
  expect(await cleanWith(["7abc", "7abd"], patternOf("7abc", "7abc"))).toEqual([
    "[redacted:own-mine]",
    "7abd",
  ]);
});

test("neither an own pattern nor a built-in rule hides from the other what it would match", async () => {
  const both = "login password=hunter2 BADGE-123456";
  // It eats the name by which the built-in rule knows the value.
  expect(await cleanWith(both, patternOf("password=", "password="))).toBe(
    "login [redacted:own-mine][redacted:password] BADGE-123456",
  );
  // A built-in rule eats a part of what it matches.
  const whole = patternOf("CARD [0-9]{4} token=[a-z0-9]+", "CARD 0000 token=a");
  expect(await cleanWith("x CARD 4111 token=abcdef12 y", whole)).toBe("x [redacted:own-mine] y");
  expect(await cleanWith("token=BADGE-123456", BADGE)).toBe("token=[redacted:token]");
});

test("no marker is scrubbed twice", async () => {
  const greedy = [patternOf("[a-z:]*redacted[a-z:-]*", "redacted"), patternOf("own", "own", "own")];
  for (const patterns of [greedy, [BADGE]]) {
    const text = "own password=hunter2, BADGE-123456, redacted";
    const once = await cleanWith(text, ...patterns);
    const run = await startRun(...patterns);
    expect(scrub(once, run)).toBe(once);
    expect(buildRedactions(run).count).toBe(0);
  }
  // A match that touches a marker takes all of it.
  expect(await cleanWith("a [redacted:jwt]", patternOf("a .red", "a .red"))).toBe(
    "[redacted:own-mine]",
  );
});

test("a long line is searched to its end, and a match at the edge of a part is whole", async () => {
  for (let before = 2030; before < 2050; before += 1) {
    const text = `${"x".repeat(before)}BADGE-123456${"y".repeat(5000)}BADGE-654321`;
    const clean = String(await cleanWith(text, BADGE));
    expect(clean).not.toMatch(/BADGE|[1-6]/);
    expect(clean.match(/own-badge/g)).toHaveLength(2);
  }
  const long = `k${"1".repeat(9000)}`;
  expect(await cleanWith(`a ${long} z\nnext`, patternOf("k1+", "k1"))).toBe(
    "a [redacted:own-mine]\nnext",
  );
});

test("a window shows no part of what an own pattern matches across its edge", async () => {
  const text = "first BADGE-123456 last";
  for (let edge = 0; edge <= text.length; edge += 1) {
    const head = scrubWindow(text, { from: 0, to: edge }, await startRun(BADGE));
    const tail = scrubWindow(text, { from: edge, to: text.length }, await startRun(BADGE));
    expect(head + tail).not.toMatch(/[1-6]/);
  }
});

test("searches that are slow together end, and the text is dropped", async () => {
  const run = await startRun(patternOf("a(.*b)?", "a"));
  const begun = performance.now();
  expect(() => scrub("a ".repeat(200_000), run)).toThrow(
    expect.objectContaining({ code: "SCRUB_FAILED" }),
  );
  expect(performance.now() - begun).toBeLessThan(15_000);
});

test.each([
  ["no pattern", [patternOf("(a", "a")], /mine: .*missing closing/],
  ["a look-behind", [patternOf("(?<=a)b", "ab")], /mine: .*RE2/],
  ["a back-reference", [patternOf("(a)\\1", "aa")], /mine: .*RE2/],
  ["the empty text", [patternOf("x*", "x")], /mine: .*empty/],
  ["an edge only", [patternOf("\\b", "x")], /mine: .*example/],
  ["another example", [patternOf("abc", "swordfish")], /mine: .*example/],
  ["an example of two lines", [patternOf("a", "a\nb")], /mine: .*one line/],
  ["many states", [patternOf("[a-z]{1,300}-[a-z]{1,300}", "a-a")], /mine: .*states/],
  ["a name twice", [BADGE, BADGE], /badge: .*once/],
])("%s is refused by name, without its example", async (_, patterns, message) => {
  const refused = compileOwnRules(patterns);
  await expect(refused).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  await expect(refused).rejects.toThrow(message);
  await expect(refused).rejects.not.toThrow("swordfish");
});
