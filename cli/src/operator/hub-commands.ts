import type { RegistryLogStatus } from "@sonde/schemas/hub";
import type { Command } from "commander";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";
import { addCallCommand } from "./call-command.ts";
import { FORMER_NAMES } from "./former-names.ts";
import { addAuditCommand } from "./audit-command.ts";
import { addKeyCommands } from "./key-commands.ts";
import { addPackCommands } from "./pack-commands.ts";
import { addHubApprovalCommands } from "./hub-approval-commands.ts";
import { addResetOwnerCommand } from "./reset-owner-command.ts";
import { addPolicyCommands } from "./policy-commands.ts";
import { addUsersCommands } from "./users-commands.ts";
import { addSinksCommand } from "./sinks-command.ts";
import { addWitnessesCommand } from "./witnesses-command.ts";
import { addSigningKeyCommands } from "./signing-key-commands.ts";

/**
 * What a hub's operator decides: `sonde keys`, `policy`, `audit`, `packs` and `call`, and `sonde hub ...` for
 * the hub itself.
 *
 * @returns `sonde hub`
 */
export function addHubCommands(program: Command, print: (text: string) => void): Command {
  const hub = program
    .command("hub")
    .description(
      "the hub itself: its own keys, its place in the registry's log, its sinks and witnesses, its backup",
    );
  const add = (usage: string, description: string) => startHubCommand(hub, usage, description);
  addKeyCommands(program, print);
  addUsersCommands(program, print);
  addSigningKeyCommands(hub, print);
  addSinksCommand(hub, print);
  addWitnessesCommand(hub, print);
  addAuditCommand(program, print);
  addPackCommands(program, print);
  addCallCommand(program, print);
  addHubApprovalCommands(hub, print);
  addResetOwnerCommand(hub, print);
  addPolicyCommands(program, print);

  add(
    "registry",
    "the hub's position in the registry's log, and agents that were shown another log; fails on any problem",
  ).action(async (options: HubOptions) => {
    const status = await connectHub(options).client.readRegistry();
    print(options.json ? JSON.stringify(status) : describeLog(status));
    if (status.problem !== null || status.forks.length > 0) process.exitCode = 1;
  });

  const former = FORMER_NAMES.map(([before, now]) => `  sonde ${before} is now sonde ${now}`);
  hub.addHelpText("after", `\nWhat was here before, and still works:\n${former.join("\n")}`);
  return hub;
}

/** Output of `sonde hub registry` for a person. */
function describeLog({ registry, head, at, problem, forks, elsewhere }: RegistryLogStatus): string {
  return [
    head === null
      ? `The log of ${registry} was not read yet.`
      : `The log of ${registry} was read up to entry ${head.size}, which its key signed at ${at ?? "-"}.`,
    ...(problem === null ? [] : [`The last reading failed: ${problem.code}: ${problem.message}`]),
    ...forks.map(
      (fork) => `ALARM: ${fork.agent} was shown a different log, of ${fork.head.size} entries.`,
    ),
    ...elsewhere.map(
      ({ agent, logKey }) =>
        `${agent} follows another registry's log, which cannot be compared: ${logKey}`,
    ),
  ].join("\n");
}
