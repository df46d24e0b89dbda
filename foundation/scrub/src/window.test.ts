import { expect, test } from "vitest";
import { type ScrubRun, cutSentence, scrubSentence, scrubWindow } from "./scrub.ts";
import { buildSecrets } from "./testing/secret-corpus.ts";

const newRun = (): ScrubRun => ({ deadline: Infinity, now: () => 0, counts: new Map() });
const cut = (text: string, from: number, to = text.length, run = newRun()) =>
  scrubWindow(text, { from, to }, run);

/** How many characters of a secret may stay: fewer than a word. */
const FEW = 6;

function partsOf(secret: string): string[] {
  return secret.split(/\n|\\n/).flatMap((part) => {
    const starts = Array.from({ length: Math.max(0, part.length - FEW + 1) }, (_, start) => start);
    return starts.map((start) => part.slice(start, start + FEW));
  });
}

test("attack 53: wherever a window begins or ends, no part of a secret is in it", () => {
  const leaks = buildSecrets(7).flatMap(({ family, text, secret }) => {
    const at = text.indexOf(secret);
    // Some rules leave the first characters of a token, in a whole text too.
    const whole = cut(text, 0);
    const parts = partsOf(secret).filter((part) => !whole.includes(part));
    const inside = [0.2, 0.5, 0.8].map((share) => at + Math.floor(secret.length * share));
    const lines = [...text.matchAll(/\n/g)].map(({ index }) => index + 1);
    const windows = [at, ...inside, ...lines]
      .flatMap((edge): [number, number][] => [
        [edge, text.length],
        [0, edge],
      ])
      .concat([[at, at + secret.length]]);
    return windows.flatMap(([from, to]) => {
      const shown = cut(text, from, to);
      return parts.some((part) => shown.includes(part)) ? [{ family, text, from, to, shown }] : [];
    });
  });
  expect(leaks).toEqual([]);
});

test("the window is found again behind and before replaced secrets", () => {
  const text = "token=abcdef123456\nfirst\nsecond\npassword=hunter2hunter2\nthird\n";
  const at = (word: string) => text.indexOf(word);
  expect(cut(text, at("first"), at("password"))).toBe("first\nsecond\n");
  expect(cut(text, at("third"))).toBe("third\n");
  expect(cut(text, at("abcdef"))).toBe(
    "[redacted:token]\nfirst\nsecond\npassword=[redacted:password]\nthird\n",
  );
  expect(cut(text, at("abcdef") + 9, at("second"))).toBe("[redacted:token]\nfirst\n");
  expect(cut(text, at("second"), at("hunter2") + 3)).toBe("second\npassword=[redacted:password]");
  expect(cut(text, 0, 3)).toBe("tok");
});

test("only secrets in the window are counted", () => {
  const text = "token=abcdef123456\nfirst\npassword=hunter2hunter2\n";
  const run = newRun();
  expect(cut(text, text.indexOf("first"), text.length, run)).toContain("[redacted:password]");
  expect([...run.counts]).toEqual([["password", 1]]);
});

test("a window of a JSON text is cut from the whole text, scrubbed", () => {
  const text = JSON.stringify({
    auth: { user: "a", keys: ["opensesame"] },
    passwords: ["hunter2", "x1"],
  });
  for (let edge = 0; edge <= text.length; edge += 1) {
    expect(cut(text, edge) + cut(text, 0, edge)).not.toContain("hunter2");
  }
  const plain = JSON.stringify({ a: 1, b: [2, 3] });
  expect(cut(plain, 5)).toBe(plain.slice(5));
});

test("a text that cannot be scrubbed in time is dropped", () => {
  const late: ScrubRun = { deadline: 1, now: () => 2, counts: new Map() };
  expect(() => cut("some text", 0, 4, late)).toThrow(
    expect.objectContaining({ code: "SCRUB_FAILED" }),
  );
});

test("a sentence is cut after it was scrubbed", () => {
  const token = `ghp_${"a1B2".repeat(9)}`;
  // Too short for a token when it is cut first.
  for (let most = 1; most < 60; most += 1) {
    const text = `got ${token} and more`;
    const shown = scrubSentence(text, most);
    expect("got [redacted:github-token] and more".startsWith(shown), shown).toBe(true);
    expect(cutSentence(text, most, newRun())).toBe(shown);
    expect(shown.length).toBeLessThanOrEqual(most);
  }
});
