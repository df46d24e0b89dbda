import { writeFile } from "node:fs/promises";
import {
  type FixtureOutcome,
  isExpected,
  type NamedFixture,
  openPackTest,
  type PackTest,
  readFixtures,
} from "@sonde/pack-sdk/testing";
import { SondeError } from "@sonde/schemas/errors";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";

type Verdict = { fixture: string; probe: string; passed: boolean; ms: number; why?: string };

export const addTest: AddCommand = (program, report) => {
  startCommand(program, "test", "run every fixtures/*.json through the built code in the isolate")
    .argument("[folder]", "the pack's folder", ".")
    .option("--record", "write the present answers into the fixtures as the expected ones")
    .action((folder: string, { record }: { record?: boolean }, command) =>
      report(command, async () => {
        const verdicts = await runFixtures(folder, record === true);
        const failed = verdicts.filter(({ passed }) => !passed).length;
        const lines = verdicts.map(
          ({ fixture, probe, passed, ms, why }) =>
            `${passed ? "ok  " : "FAIL"} ${fixture} (${probe}, ${ms} ms)${why === undefined ? "" : `\n     ${why}`}`,
        );
        return {
          data: { passed: verdicts.length - failed, failed, fixtures: verdicts },
          text: [...lines, `${verdicts.length - failed} passed, ${failed} failed`].join("\n"),
          failed: failed > 0,
        };
      }),
    );
};

async function runFixtures(folder: string, record: boolean): Promise<Verdict[]> {
  const fixtures = await readFixtures(folder);
  if (fixtures.length === 0) {
    throw new SondeError("NOT_FOUND", `expected fixtures/*.json in ${folder}, got none`);
  }
  const pack = await openPackTest(folder);
  try {
    const verdicts: Verdict[] = [];
    for (const named of fixtures) verdicts.push(await judge(pack, named, record));
    return verdicts;
  } finally {
    pack.close();
  }
}

async function judge(pack: PackTest, named: NamedFixture, record: boolean): Promise<Verdict> {
  const { name, fixture, file } = named;
  const start = performance.now();
  const verdict = (passed: boolean, why?: string): Verdict => ({
    fixture: name,
    probe: fixture.probe,
    passed,
    ms: Math.round(performance.now() - start),
    ...(why === undefined ? {} : { why }),
  });
  let outcome: FixtureOutcome;
  try {
    outcome = await pack.run(fixture);
  } catch (error) {
    if (!(error instanceof SondeError)) throw error;
    return verdict(false, `${error.code}: ${error.message}`);
  }
  if (record) {
    const expected = "result" in outcome ? outcome : { failure: outcome.failure };
    await writeFile(file, `${JSON.stringify({ ...fixture, expected }, null, 2)}\n`);
    return verdict(true, "recorded");
  }
  if (isExpected(fixture, outcome)) return verdict(true);
  const expected = JSON.stringify(fixture.expected ?? "nothing yet; run with --record");
  return verdict(false, `expected ${expected}\n     got      ${JSON.stringify(outcome)}`);
}
