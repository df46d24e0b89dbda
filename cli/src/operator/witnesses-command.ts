import type { OutsideWitnessList, OutsideWitnessState } from "@sonde/schemas/hub";
import type { Command } from "commander";
import { formatTable } from "../table.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";

/** Adds `sonde hub witnesses`: how far each witness of the log's checkpoints is; fails while one does. */
export function addWitnessesCommand(hub: Command, print: (text: string) => void): void {
  startHubCommand(
    hub,
    "witnesses",
    "who keeps or cosigns the audit log's checkpoints outside, how far each is and what fails; fails while one does",
  ).action(async (options: HubOptions) => {
    const list = await connectHub(options).client.listWitnesses();
    print(options.json ? JSON.stringify(list) : describeWitnesses(list));
    if (list.witnesses.some(({ failingSince }) => failingSince !== null)) process.exitCode = 1;
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
