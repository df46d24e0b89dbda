import { expect, test } from "vitest";
import { scrub } from "./scrub.ts";
import { buildIndependent } from "./testing/independent-corpus.ts";
import { tally } from "./testing/tally.ts";

const SEEDS = [7, 1234];
const PARTS = ["learn", "measure", "third"] as const;
/** The lowest shares that a change of the rules may leave. */
const FLOORS = {
  caught: { learn: 0.988, measure: 0.92, third: 0.93 },
  kept: { learn: 1, measure: 0.988, third: 0.997 },
};

const clean = (text: string) =>
  String(scrub(text, { deadline: Infinity, now: () => 0, counts: new Map() }));

/** True when the secret, or the first or last half of one that is longer than seven, is left. */
function survives(secret: string, result: string): boolean {
  if (secret.length < 8) return result.includes(secret);
  const half = Math.ceil(secret.length / 2);
  return result.includes(secret.slice(0, half)) || result.includes(secret.slice(-half));
}

test.each(PARTS)("attack 53: secrets of texts that the rules were not made for, %s", (part) => {
  const texts = SEEDS.flatMap((seed) => buildIndependent("secrets", seed));
  const tried = texts
    .filter((one) => one.part === part)
    .map(({ family, text, secrets }) => {
      const result = clean(text);
      return { family, text, isRight: !secrets.some((secret) => survives(secret, result)) };
    });
  expect(tried.length).toBeGreaterThan(250);
  const { whole } = tally(`caught, ${part}`, tried, part === "learn");
  expect(whole).toBeGreaterThanOrEqual(FLOORS.caught[part]);
});

test.each(PARTS)("attack 55: innocents that the rules were not made for, %s", (part) => {
  const texts = SEEDS.flatMap((seed) => buildIndependent("innocents", seed));
  const tried = texts
    .filter((one) => one.part === part)
    .map(({ family, text }) => ({ family, text, isRight: clean(text) === text }));
  expect(tried.length).toBeGreaterThan(500);
  const { whole } = tally(`kept, ${part}`, tried, part !== "measure");
  expect(whole).toBeGreaterThanOrEqual(FLOORS.kept[part]);
});

test("a second pass changes nothing in what the first has left", () => {
  const texts = SEEDS.flatMap((seed) => buildIndependent("secrets", seed));
  const once = texts.map(({ text }) => clean(text));
  expect(once.map(clean)).toEqual(once);
});
