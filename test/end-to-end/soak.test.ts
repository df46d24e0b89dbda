import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import type { SoakReport } from "../soak/run-soak.ts";
import { workspace } from "../product/start-product.ts";

// Attacks 60 to 65. `npm run soak` runs for hours with other seeds; this is a minute of it.

type Ended = { code: number | null; out: string; err: string };

async function soak(words: string[]): Promise<Ended> {
  const child = spawn("npm", ["run", "-s", "soak", "--", ...words], {
    cwd: workspace,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}

test("a minute of faults around every durable step leaves nothing wrong on record", async () => {
  const { code, out, err } = await soak(["--seed", "1", "--minutes", "1", "--json"]);
  expect({ code, err }).toMatchObject({ code: 0 });
  const report = JSON.parse(out) as SoakReport;
  expect(report).toMatchObject({ seed: 1, minutes: 1, violations: [] });
  // Enough happened for the rules to mean something.
  expect(Object.keys(report.faults).length).toBeGreaterThan(3);
  expect(report.answers["ok"]).toBeGreaterThan(50);
  for (const times of Object.values(report.checked)) expect(times).toBeGreaterThan(50);
}, 480_000);

test.each([
  [["--seed", "0.5"], "Expected --seed to be an integer, got 0.5."],
  [["--minutes", "0"], "Expected --minutes from 0.1 to 10080, got 0."],
  [["--faults", "storm,fire"], "got fire."],
  [["--hours", "2"], "Unknown option '--hours'"],
])("%s is refused with what was expected", async (words, sentence) => {
  const { code, out, err } = await soak(words);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toContain(sentence);
  expect(err).toContain("npm run soak [-- OPTION...]");
});
