import { SondeError } from "@sonde/schemas/errors";
import { type AgentClient, createAgentClient } from "./agent-client.ts";
import type { DataLayout } from "./data-layout.ts";
import { nothingRuns, readEndpoints } from "./endpoints.ts";
import { createHubClient, type HubClient } from "./hub-client.ts";
import { readOperatorKey } from "./read-back.ts";

/** Access to the product that runs on this machine, with its operator's rights. */
export type RunningSystem = {
  layout: DataLayout;
  agentName: string;
  registryUrl: string;
  mcpUrl: string;
  apiKey: string;
  hub: HubClient;
  agent: AgentClient;
};

/**
 * @throws SondeError STARTING_FAILED when the product does not run; the message says how to start
 *   it
 */
export async function findRunningSystem(layout: DataLayout): Promise<RunningSystem> {
  const { agent: agentName, hubUrl, mcpUrl, registryUrl } = readEndpoints(layout);
  const apiKey = readOperatorKey(layout);
  const hub = createHubClient(hubUrl, apiKey);
  try {
    await hub.listAgents();
  } catch (thrown) {
    if (thrown instanceof SondeError && thrown.code === "STARTING_FAILED") {
      throw nothingRuns(layout);
    }
    throw thrown;
  }
  const agent = createAgentClient(layout.agentSocket);
  return { layout, agentName, registryUrl, mcpUrl, apiKey, hub, agent };
}
