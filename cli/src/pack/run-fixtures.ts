import { writeFile } from "node:fs/promises";
import path from "node:path";
import {
  type FixtureOutcome,
  isExpected,
  type NamedFixture,
  type PackTest,
  readFixture,
} from "@sonde/pack-sdk/testing";
import { SondeError } from "@sonde/schemas/errors";

/** What one fixture showed. `probe` is null for a file that is no fixture. */
export type Verdict = {
  fixture: string;
  probe: string | null;
  passed: boolean;
  ms: number;
  why?: string;
};

/**
 * Runs each of these fixtures in the isolate. One that is wrong fails, and the others still run.
 *
 * @param record writes the present answers into the fixtures as the expected ones
 */
export async function runFixtures(
  pack: PackTest,
  files: readonly string[],
  record: boolean,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const file of files) verdicts.push(await judge(pack, file, record));
  return verdicts;
}

/** One line for each fixture, with the reason below one that failed. */
export function describeVerdicts(verdicts: readonly Verdict[]): string {
  const failed = verdicts.filter(({ passed }) => !passed).length;
  const lines = verdicts.map(({ fixture, probe, passed, ms, why }) => {
    const what = probe === null ? "no fixture" : `${probe}, ${ms} ms`;
    return `${passed ? "ok  " : "FAIL"} ${fixture} (${what})${why === undefined ? "" : `\n     ${why}`}`;
  });
  return [...lines, `${verdicts.length - failed} passed, ${failed} failed`].join("\n");
}

async function judge(pack: PackTest, file: string, record: boolean): Promise<Verdict> {
  const start = performance.now();
  const verdict = (probe: string | null, passed: boolean, why?: string): Verdict => ({
    fixture: path.basename(file, ".json"),
    probe,
    passed,
    ms: Math.round(performance.now() - start),
    ...(why === undefined ? {} : { why }),
  });
  let named: NamedFixture | null = null;
  let outcome: FixtureOutcome;
  try {
    named = await readFixture(file);
    outcome = await pack.run(named.fixture);
  } catch (error) {
    if (!(error instanceof SondeError)) throw error;
    return verdict(named?.fixture.probe ?? null, false, `${error.code}: ${error.message}`);
  }
  const { fixture } = named;
  if (record) {
    const expected = "result" in outcome ? outcome : { failure: outcome.failure };
    await writeFile(file, `${JSON.stringify({ ...fixture, expected }, null, 2)}\n`);
    return verdict(fixture.probe, true, "recorded");
  }
  if (isExpected(fixture, outcome)) return verdict(fixture.probe, true);
  const expected = JSON.stringify(fixture.expected ?? "nothing yet; run with --record");
  const got = JSON.stringify(outcome);
  return verdict(fixture.probe, false, `expected ${expected}\n     got      ${got}`);
}
