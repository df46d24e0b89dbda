import { SondeError } from "@sonde/schemas/errors";
import type { OutsideWitnessList, OutsideWitnessState } from "@sonde/schemas/hub";
import type { Command } from "commander";
import { confirm } from "../agent/agent-commands.ts";
import { formatTable } from "../table.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";

type ForgetOptions = HubOptions & { yes?: true };

/** `sonde hub witnesses [list | forget]`: those of this hub's log, and what it is itself a witness of. */
export function addWitnessesCommand(hub: Command, print: (text: string) => void): void {
  const witnesses = hub
    .command("witnesses")
    .description("who keeps or cosigns the audit log's checkpoints outside");
  startHubCommand(
    witnesses,
    "list",
    "all of them, how far each is and what fails; fails while one does",
    { isDefault: true },
  ).action(async (options: HubOptions) => {
    const list = await connectHub(options).client.listWitnesses();
    print(options.json ? JSON.stringify(list) : describeWitnesses(list));
    if (list.witnesses.some(({ failingSince }) => failingSince !== null)) process.exitCode = 1;
  });

  startHubCommand(
    witnesses,
    "forget <origin>",
    "as a witness: forget what this hub cosigned of a log, which then begins anew",
  )
    .option("--yes", "do not ask")
    .action(async (origin: string, { yes, ...options }: ForgetOptions) => {
      const { client } = connectHub(options);
      const question = `Cosign any next checkpoint of ${origin}, whatever its history is?`;
      if (yes !== true && !(await confirm(question))) {
        throw new SondeError(
          "FORBIDDEN",
          `not forgotten, nothing was changed; without a terminal: sonde hub witnesses forget ${origin} --yes`,
        );
      }
      const forgotten = await client.forgetLog(origin);
      print(
        options.json
          ? JSON.stringify(forgotten)
          : `The ${forgotten.size} entries that were cosigned of ${origin} are forgotten; this hub's audit log keeps their root.`,
      );
    });
}

/** Output of `sonde hub witnesses` for a person. */
export function describeWitnesses({ witnesses }: OutsideWitnessList): string {
  if (witnesses.length === 0) return "No witness is configured; docs/audit-witnesses.md says how.";
  const table = formatTable(
    ["NAME", "KIND", "ENTRIES", "BEHIND", "TAKEN", "FAILING SINCE", "LAST ERROR"],
    witnesses.map((witness) => [
      ...[witness.name, witness.kind, String(witness.size), describeLag(witness)],
      ...[witness.takenAt ?? "-", witness.failingSince ?? "-", describeError(witness)],
    ]),
  );
  const alarms = witnesses.filter(({ disagrees }) => disagrees);
  return [
    table,
    ...alarms.map(({ name }) => `ALARM: ${name} has seen another audit log of this hub.`),
  ].join("\n");
}

function describeLag({ lagEntries }: OutsideWitnessState): string {
  return lagEntries === 0 ? "-" : `${lagEntries} entries`;
}

function describeError({ lastError }: OutsideWitnessState): string {
  return lastError === null ? "-" : `${lastError.code}: ${lastError.message}`;
}
