import { SondeError } from "@sonde/schemas/errors";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { readHubEndpoints } from "../endpoints.ts";
import { createHubClient, type HubClient } from "../hub-client.ts";
import type { HubEndpoints } from "../hub-endpoints.ts";
import { readOperatorKey } from "../read-back.ts";

export type HubOptions = { data?: string; json?: boolean; agent?: string };

/** A client of the hub of a data folder, with its operator's rights. */
export function connectHub(options: HubOptions): { client: HubClient; endpoints: HubEndpoints } {
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
