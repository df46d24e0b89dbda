import type { RegistryLogStatus } from "@sonde/schemas/hub";
import type { Command } from "commander";
import { startDataCommand } from "../data-command.ts";
import { connectHub, type HubOptions } from "./connect-hub.ts";
import { addHubAuditCommand } from "./hub-audit-command.ts";
import { addHubKeyCommands } from "./hub-key-commands.ts";
import { addHubPackCommands } from "./hub-pack-commands.ts";
import { addResetOwnerCommand } from "./reset-owner-command.ts";
import { parsePackName } from "./read-pack-spec.ts";
import { addSigningKeyCommands } from "./signing-key-commands.ts";

/**
 * `sonde hub ...`: decisions of the hub's operator, such as which agents have which packs.
 *
 * @returns the command
 */
export function addHubCommands(program: Command, print: (text: string) => void): Command {
  const hub = program
    .command("hub")
    .description("the packs of the hub's agents, its keys and its audit log");
  const add = (usage: string, description: string) => startDataCommand(hub, usage, description);
  addHubKeyCommands(hub, print);
  addSigningKeyCommands(hub, print);
  addHubAuditCommand(hub, print);
  addHubPackCommands(hub, print);
  addResetOwnerCommand(hub, print);

  add(
    "registry",
    "the hub's position in the registry's log, and agents that were shown another log; fails on any problem",
  ).action(async (options: HubOptions) => {
    const status = await connectHub(options).client.readRegistry();
    print(options.json ? JSON.stringify(status) : describeLog(status));
    if (status.problem !== null || status.forks.length > 0) process.exitCode = 1;
  });

  add(
    "approve-tools <pack>",
    "approve what changed in a pack's tool descriptions or parameters",
  ).action(async (pack: string, options: HubOptions) => {
    parsePackName(pack);
    const { client } = connectHub(options);
    const wanted = (await client.listAgents()).flatMap(({ desired }) =>
      desired.filter(({ name }) => name === pack).map(({ digest }) => digest),
    );
    const held = (await client.listPins()).held.filter(({ packDigest }) =>
      wanted.includes(packDigest),
    );
    for (const digest of new Set(held.map(({ packDigest }) => packDigest))) {
      await client.approveTools(digest);
    }
    const probes = held.map(({ probe }) => probe);
    print(
      options.json
        ? JSON.stringify({ approved: probes })
        : probes.map((probe) => `approved ${probe}`).join("\n") || "nothing was held",
    );
  });
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
