import { expect, test } from "vitest";
import { scrub } from "./scrub.ts";
import { buildInnocents } from "./testing/innocent-corpus.ts";
import { buildSecrets } from "./testing/secret-corpus.ts";

const SEEDS = [1, 20, 300];
const clean = (text: string) =>
  String(scrub(text, { deadline: Infinity, now: () => 0, counts: new Map() }));

/** Counts by family, and prints what failed, so that a change of a rule shows what it changed. */
function report(title: string, tried: { family: string; text: string; isRight: boolean }[]) {
  const right = tried.filter(({ isRight }) => isRight).length;
  const families = [...new Set(tried.map(({ family }) => family))].map((family) => {
    const own = tried.filter((one) => one.family === family);
    return `${family} ${own.filter(({ isRight }) => isRight).length}/${own.length}`;
  });
  const wrong = tried.filter(({ isRight }) => !isRight);
  const lines = wrong.map(({ family, text }) => `  ${family}: ${JSON.stringify(text)}`);
  console.log([`${title} ${right}/${tried.length}: ${families.join(", ")}`, ...lines].join("\n"));
  const groups = [...Map.groupBy(tried, ({ family }) => family).values()];
  const shares = groups.map((own) => own.filter(({ isRight }) => isRight).length / own.length);
  const lowest = Math.min(...shares);
  return { whole: right / tried.length, lowest };
}

test("attack 53: secrets of every family are replaced in the texts that they stand in", () => {
  const tried = SEEDS.flatMap(buildSecrets).map(({ family, text, secret }) => {
    // No line of a secret with several lines may stay.
    const parts = secret.split(/\n|\\n/).filter((part) => part !== "");
    const result = clean(text);
    return { family, text, isRight: parts.every((part) => !result.includes(part)) };
  });
  const { whole, lowest } = report("caught", tried);
  expect(whole).toBeGreaterThanOrEqual(0.9);
  expect(lowest).toBeGreaterThanOrEqual(0.95);
});

test("attack 55: texts that only resemble a secret stay as they are", () => {
  const tried = SEEDS.flatMap(buildInnocents).map(({ family, text }) => ({
    family,
    text,
    isRight: clean(text) === text,
  }));
  const { whole, lowest } = report("kept", tried);
  expect(whole).toBeGreaterThanOrEqual(0.99);
  expect(lowest).toBeGreaterThanOrEqual(0.98);
});
