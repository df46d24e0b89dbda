import { expect, test } from "vitest";
import { scrub } from "./scrub.ts";
import { buildInnocents } from "./testing/innocent-corpus.ts";
import { buildSecrets } from "./testing/secret-corpus.ts";
import { tally } from "./testing/tally.ts";

const SEEDS = [1, 20, 300];
const clean = (text: string) =>
  String(scrub(text, { deadline: Infinity, now: () => 0, counts: new Map() }));

test("attack 53: secrets of every family are replaced in the texts that they stand in", () => {
  const tried = SEEDS.flatMap(buildSecrets).map(({ family, text, secret }) => {
    // No line of a secret with several lines may stay.
    const parts = secret.split(/\n|\\n/).filter((part) => part !== "");
    const result = clean(text);
    return { family, text, isRight: parts.every((part) => !result.includes(part)) };
  });
  const { whole, lowest } = tally("caught", tried);
  expect(whole).toBeGreaterThanOrEqual(0.9);
  expect(lowest).toBeGreaterThanOrEqual(0.95);
});

test("attack 55: texts that only resemble a secret stay as they are", () => {
  const tried = SEEDS.flatMap(buildInnocents).map(({ family, text }) => ({
    family,
    text,
    isRight: clean(text) === text,
  }));
  const { whole, lowest } = tally("kept", tried);
  expect(whole).toBeGreaterThanOrEqual(0.99);
  expect(lowest).toBeGreaterThanOrEqual(0.98);
});
