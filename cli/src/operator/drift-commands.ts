import { SondeError } from "@sonde/schemas/errors";
import { DriftAction, type DriftPolicy, DriftSelector } from "@sonde/schemas/hub";
import { buildParser } from "@sonde/schemas/parse";
import type { Command } from "commander";
import { confirm } from "../agent/agent-commands.ts";
import { type Print } from "../data-command.ts";
import { formatTable } from "../table.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";
import { describeAttestation } from "./describe-attestation.ts";

const parseSelector = buildParser(DriftSelector, "a tag such as role=web, or all", "BAD_REQUEST");
const parseAction = buildParser(DriftAction, "flag, restrict or quarantine", "BAD_REQUEST");

/** `sonde agents [show | accept-drift | drift-policy]`: what agents state, and what follows from it. */
export function addDriftCommands(agents: Command, print: Print): void {
  startHubCommand(
    agents,
    "show <name>",
    "what an agent states about itself, and how that differs from what a person approved",
  ).action(async (name: string, options: HubOptions) => {
    const shown = await connectHub(options).client.readAttestation(name);
    print(options.json ? JSON.stringify(shown) : describeAttestation(shown));
  });

  startHubCommand(
    agents,
    "accept-drift <name>",
    "approve what an agent states now; later differences are from this statement",
  )
    .option("--yes", "do not ask")
    .action(async (name: string, options: HubOptions & { yes?: true }) => {
      const { client } = connectHub(options);
      const shown = await client.readAttestation(name);
      if (shown.statementSha256 === null) {
        throw new SondeError("BAD_REQUEST", `expected an agent that attested, ${name} never did`);
      }
      if (!options.yes) {
        if (!options.json) print(describeAttestation(shown));
        if (!(await confirm(`Approve this as what ${name} should be?`))) {
          throw new SondeError(
            "FORBIDDEN",
            "not approved; answer yes on a terminal, or give --yes without one",
          );
        }
      }
      const accepted = await client.acceptDrift(name, shown.statementSha256);
      print(
        options.json
          ? JSON.stringify(accepted)
          : `What ${name} states is approved. If it is held: sonde agents release ${name}`,
      );
    });

  startHubCommand(
    agents,
    "drift-policy [on] [action]",
    "what the hub does about drift to review of agents with a tag, or of all: flag, restrict or quarantine",
  )
    .option("--remove <on>", "remove the rule of a tag, or of all")
    .action(
      async (
        on: string | undefined,
        action: string | undefined,
        { remove, ...options }: HubOptions & { remove?: string },
      ) => {
        const { client } = connectHub(options);
        const change = { on, action, remove };
        const policy = await changePolicy(client, change);
        print(options.json ? JSON.stringify(policy) : describePolicy(policy));
      },
    );
}

async function changePolicy(
  client: ReturnType<typeof connectHub>["client"],
  {
    on,
    action,
    remove,
  }: { on?: string | undefined; action?: string | undefined; remove?: string | undefined },
): Promise<DriftPolicy> {
  if (remove !== undefined) {
    if (on === undefined) return await client.removeDriftRule(parseSelector(remove));
    throw new SondeError("BAD_REQUEST", "expected a rule to set or --remove, got both");
  }
  if (on === undefined) return await client.readDriftPolicy();
  return await client.setDriftRule(parseSelector(on), parseAction(action));
}

function describePolicy({ rules }: DriftPolicy): string {
  const rest = "Of several rules that fit an agent the strictest counts; without one it is flag.";
  if (rules.length === 0) return `Drift of every agent is flagged. ${rest}`;
  const rows = rules.map(({ on, action, setBy, setAt }) => [on, action, setBy, setAt]);
  return `${formatTable(["AGENTS", "ACTION", "SET BY", "SET AT"], rows)}\n${rest}`;
}
