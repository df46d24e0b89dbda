import { listFixtures, openPackTest, type PackTest } from "@sonde/pack-sdk/testing";
import type { ErrorBody } from "@sonde/schemas/errors";
import { describeReport } from "../agent/describe-pack.ts";
import type { HubOptions } from "../operator/connect-hub.ts";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";
import { type DevHost, openDevHost, type Reloaded } from "./dev-host.ts";
import { describeThrown, explainError } from "./outcome.ts";
import { describeVerdicts, runFixtures, type Verdict } from "./run-fixtures.ts";
import { watchFolder } from "./watch-folder.ts";

/** What one save led to. */
type Round = {
  changed: string[];
  pack: { name: string; version: string; digest: string } | null;
  fixtures: Verdict[];
  /** null when nothing was reloaded. */
  reloaded: Reloaded | null;
  error: ErrorBody["error"] | null;
};

export const addDev: AddCommand = (program, report, env, io) => {
  startCommand(program, "dev", "on each save: build, test, and reload on a host of your own")
    .argument("[folder]", "the pack's folder", ".")
    .option("--data <folder>", "the data folder that `npm start` used")
    .option("--agent <name>", "which agent; by default the only one")
    .addHelpText(
      "after",
      "\nThe host must allow unsigned packs: sonde trust allow-unsigned FOLDER/dist. A version whose\n" +
        "fixtures fail is not reloaded. What a person must approve is said and not done: new reads on\n" +
        "the host, changed words of a tool on the hub. Ctrl-C ends it; what was reloaded stays.",
    )
    .action((folder: string, options: HubOptions, command) =>
      report(command, async () => {
        const signal = io.untilStopped();
        const host = await openDevHost(folder, options, Object.fromEntries(env));
        let rounds = 0;
        for await (const changed of watchFolder(folder, host.localPacks, signal)) {
          const round = await runRound(folder, host, changed, signal);
          rounds += 1;
          io.out(options.json === true ? JSON.stringify(round) : describeRound(round, host));
        }
        return { data: { rounds }, text: "Ended. What was reloaded last stays on the host." };
      }),
    );
};

async function runRound(
  folder: string,
  host: DevHost,
  changed: string[],
  signal: AbortSignal,
): Promise<Round> {
  const round: Round = { changed, pack: null, fixtures: [], reloaded: null, error: null };
  let pack: PackTest | null = null;
  try {
    pack = await openPackTest(folder);
    const { name, version } = pack.built.manifest;
    round.pack = { name, version, digest: pack.built.digest };
    round.fixtures = await runFixtures(pack, await listFixtures(folder), false);
    if (round.fixtures.every(({ passed }) => passed)) {
      round.reloaded = await host.reload(pack.built, signal);
    }
  } catch (thrown) {
    // Whatever is wrong with this save, the next one may mend it.
    round.error = describeThrown(thrown).toBody().error;
  } finally {
    pack?.close();
  }
  return round;
}

function describeRound(round: Round, { agent }: DevHost): string {
  const { changed, pack, fixtures, reloaded, error } = round;
  const lines = changed.length === 0 ? [] : [`\nChanged: ${changed.join(", ")}`];
  if (pack !== null) lines.push(`Built ${pack.name} ${pack.version} ${pack.digest}`);
  if (fixtures.length > 0) lines.push(describeVerdicts(fixtures));
  if (error !== null) lines.push(explainError(error));
  if (reloaded === null) return [...lines, "Nothing was reloaded. Waiting for a save."].join("\n");
  const { report, held } = reloaded;
  lines.push(
    report === null
      ? `${agent} has not said yet what it does with this version: sonde agent packs`
      : `On ${agent}: ${describeReport(report)}`,
  );
  if (held.length > 0 && pack !== null) {
    lines.push(
      `Changed words wait on the hub (${held.join(", ")}): sonde packs approve ${pack.name}`,
    );
  }
  return [...lines, "Waiting for a save."].join("\n");
}
