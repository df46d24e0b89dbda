import type { Command } from "commander";
import { type Print, startDataCommand } from "../data-command.ts";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { type AgentOptions, type AgentPlace, addAgentCommands } from "./agent-commands.ts";
import { addAuditCommands } from "./audit-command.ts";
import { addScrubCommand } from "./scrub-command.ts";

/** `sonde agent ...`: the agent that `npm start` runs in a data folder. */
export function addDataAgentCommands(program: Command, print: Print): void {
  const agent = program
    .command("agent")
    .description("inspect the agent on this machine and approve its packs");
  const placeOf = ({ data }: AgentOptions): AgentPlace => {
    const { agentSocket, agentAudit, grants, root } = layoutOf(
      resolveDataFolder(data, process.env),
    );
    return {
      socket: agentSocket,
      grants,
      audit: agentAudit,
      suffix: ` --data ${root}`,
      runners: null,
    };
  };
  addAgentCommands(
    (usage, description) => startDataCommand(agent, usage, description),
    placeOf,
    print,
  );
  const audit = agent.command("audit").description("the agent's own audit log");
  addAuditCommands(
    (usage, description) => startDataCommand(audit, usage, description),
    placeOf,
    print,
  );
  addScrubCommand(agent, print);
}
