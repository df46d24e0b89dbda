import { SondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";
import { startDataCommand } from "../data-command.ts";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { readHubEndpoints } from "../endpoints.ts";
import { createHubClient, createRemoteHubClient, type HubClient } from "../hub-client.ts";
import type { HubEndpoints } from "../hub-endpoints.ts";
import { createBearer } from "../profile/bearer.ts";
import { chooseProfile } from "../profile/profiles.ts";
import { readOperatorKey } from "../read-back.ts";

export type HubOptions = { data?: string; profile?: string; json?: boolean; agent?: string };

/** Starts a subcommand that asks a hub: that of a profile, or of a data folder. */
export function startHubCommand(...words: Parameters<typeof startDataCommand>): Command {
  return startDataCommand(...words).option(
    "--profile <name>",
    "the hub of this profile of sonde login; SONDE_PROFILE says it for all commands",
  );
}

/** A client of the hub of a profile, or of that of a data folder with its operator's rights. */
export function connectHub(options: HubOptions): { client: HubClient; endpoints: HubEndpoints } {
  const chosen = chooseProfile(options, process.env);
  if (chosen !== null) {
    const { hub, ca } = chosen.profile;
    const endpoints = { hubUrl: hub, mcpUrl: `${hub}/mcp` };
    const bearer = createBearer(chosen);
    return { client: createRemoteHubClient({ hub, bearer, ca }), endpoints };
  }
  const layout = layoutOf(resolveDataFolder(options.data, process.env));
  const endpoints = readHubEndpoints(layout);
  return { client: createHubClient(endpoints.hubUrl, readOperatorKey(layout)), endpoints };
}

/** @throws SondeError BAD_REQUEST naming the agents, when several are enrolled and none is chosen */
export async function chooseAgent(client: HubClient, wanted: string | undefined): Promise<string> {
  if (wanted !== undefined) return wanted;
  const agents = await client.listAgents();
  const [only] = agents;
  if (only !== undefined && agents.length === 1) return only.name;
  const names = agents.map(({ name }) => name).join(", ");
  throw new SondeError("BAD_REQUEST", `expected --agent with one of: ${names}`);
}
