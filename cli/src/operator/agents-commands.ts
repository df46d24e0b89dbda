import { SondeError } from "@sonde/schemas/errors";
import { MAX_TAGS } from "@sonde/schemas/tags";
import type { Command } from "commander";
import { confirm } from "../agent/agent-commands.ts";
import { collect } from "../collect.ts";
import { type Print } from "../data-command.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";
import { describeAgents } from "./describe-agents.ts";
import { addDriftCommands } from "./drift-commands.ts";
import { keepSecret } from "./keep-secret.ts";
import { buildInvitation, describeInvitation } from "./invitation.ts";

type InviteOptions = HubOptions & { tag: string[]; tokenFile?: string; approveFirst: boolean };
type TagOptions = HubOptions & { remove: string[] };

/**
 * `sonde agents [list | show | invite | tag | accept-drift | drift-policy | quarantine | release |
 * revoke]`: the agents of this hub, on whichever host.
 */
export function addAgentsCommands(program: Command, print: Print): void {
  const agents = program.command("agents").description("the hub's agents, on all hosts");
  startHubCommand(
    agents,
    "list",
    "every agent: whether it is connected, what it runs, which of its packs do not serve, its tags",
    { isDefault: true },
  ).action(async (options: HubOptions) => {
    const known = await connectHub(options).client.listAgents();
    print(options.json ? JSON.stringify({ agents: known }) : describeAgents(known));
  });

  addDriftCommands(agents, print);

  startHubCommand(
    agents,
    "invite <name>",
    "make a token by which one host enrols under this name, and print what to type there",
  )
    .option(
      "--tag <key=value>",
      `a tag of the agent, such as role=web; can be repeated, up to ${MAX_TAGS} times`,
      collect,
      [],
    )
    .option("--token-file <file>", "write the token into this new file (0600), and do not show it")
    .option(
      "--no-approve-first",
      "let nobody have approved its first statement, until sonde agents accept-drift does",
    )
    .action(
      async (name: string, { tag: tags, tokenFile, approveFirst, ...options }: InviteOptions) => {
        const { client } = connectHub(options);
        const isKnown = (await client.listAgents()).some((agent) => agent.name === name);
        const made = await keepSecret(
          tokenFile,
          () => client.createToken(name, tags, approveFirst),
          ({ token }) => token,
        );
        const invitation = buildInvitation(name, tags, made, isKnown, tokenFile);
        print(options.json ? JSON.stringify(invitation) : describeInvitation(invitation));
      },
    );

  startHubCommand(
    agents,
    "tag <name> [tags...]",
    "set tags of an agent, each as key=value and in place of the one with its key",
  )
    .option("--remove <key>", "remove the tag with this key; can be repeated", collect, [])
    .action(async (name: string, set: string[], { remove, ...options }: TagOptions) => {
      if (set.length + remove.length === 0) {
        throw new SondeError(
          "BAD_REQUEST",
          "expected a tag as key=value or --remove KEY, got none",
        );
      }
      const agent = await connectHub(options).client.changeTags(name, { set, remove });
      print(
        options.json ? JSON.stringify(agent) : `${name} has ${agent.tags.join(" ") || "no tags"}.`,
      );
    });

  startHubCommand(
    agents,
    "quarantine <name>",
    "let no probe of an agent run until it is released; it stays connected and keeps its tools",
  )
    .requiredOption("--reason <text>", "why, in a sentence that everybody who asks it is told")
    .action(async (name: string, { reason, ...options }: HubOptions & { reason: string }) => {
      const agent = await connectHub(options).client.quarantineAgent(name, reason);
      print(
        options.json
          ? JSON.stringify(agent)
          : `${name} is quarantined. To end it: sonde agents release ${name}`,
      );
    });

  startHubCommand(
    agents,
    "release <name>",
    "end every hold of an agent, as sonde agents lists them: its probes run again",
  )
    .option("--yes", "do not ask")
    .action(async (name: string, options: HubOptions & { yes?: true }) => {
      const { client } = connectHub(options);
      const { holds } = await client.readAgent(name);
      const why = holds.map(({ kind, reason }) => `${kind}: ${reason}`).join("; ");
      if (holds.length > 0 && !options.yes && !(await confirm(`Release ${name} (${why})?`))) {
        throw new SondeError(
          "FORBIDDEN",
          "not released; answer yes on a terminal, or give --yes without one",
        );
      }
      const agent = await client.releaseAgent(name);
      print(options.json ? JSON.stringify(agent) : `${name} is released.`);
    });

  startHubCommand(
    agents,
    "revoke <name>",
    "end an agent's session and refuse its certificates for good; its records stay",
  )
    .option("--yes", "do not ask")
    .action(async (name: string, options: HubOptions & { yes?: true }) => {
      if (!options.yes && !(await confirm(`Revoke ${name} on this hub for good?`))) {
        throw new SondeError(
          "FORBIDDEN",
          "not revoked; answer yes on a terminal, or give --yes without one",
        );
      }
      const left = await connectHub(options).client.revokeAgent(name);
      print(
        options.json
          ? JSON.stringify({ revoked: name, agents: left })
          : `${name} is revoked. To let its host in again, as a new agent: sonde agents invite ${name}`,
      );
    });
}
