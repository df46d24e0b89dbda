import { listFixtures, openPackTest } from "@sonde/pack-sdk/testing";
import { SondeError } from "@sonde/schemas/errors";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";
import { describeVerdicts, runFixtures } from "./run-fixtures.ts";

export const addTest: AddCommand = (program, report) => {
  startCommand(program, "test", "run every fixtures/*.json through the built code in the isolate")
    .argument("[folder]", "the pack's folder", ".")
    .option("--record", "write the present answers into the fixtures as the expected ones")
    .action((folder: string, { record }: { record?: boolean }, command) =>
      report(command, async () => {
        const files = await listFixtures(folder);
        if (files.length === 0) {
          throw new SondeError("NOT_FOUND", `expected fixtures/*.json in ${folder}, got none`);
        }
        const pack = await openPackTest(folder);
        const verdicts = await runFixtures(pack, files, record === true).finally(() =>
          pack.close(),
        );
        const failed = verdicts.filter(({ passed }) => !passed).length;
        return {
          data: { passed: verdicts.length - failed, failed, fixtures: verdicts },
          text: describeVerdicts(verdicts),
          failed: failed > 0,
        };
      }),
    );
};
