import { existsSync, readFileSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { type AgentClient, createAgentClient } from "../agent-client.ts";
import type { DataLayout } from "../data-layout.ts";
import { createHubClient, type HubClient } from "../hub-client.ts";

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
  const nothing = new SondeError(
    "STARTING_FAILED",
    `nothing runs in ${layout.root}; start it first: npm start -- --data ${layout.root}`,
  );
  if (!existsSync(layout.endpoints)) throw nothing;
  const text = readFileSync(layout.endpoints, "utf8");
  const named = parseJson(text, layout.endpoints, "CONFIG_INVALID") as Record<string, unknown>;
  const field = (name: string): string => {
    const value = named[name];
    if (typeof value === "string") return value;
    throw new SondeError("CONFIG_INVALID", `expected ${name} in ${layout.endpoints}`);
  };
  const hubUrl = field("hubUrl");
  const apiKey = readKey(layout.operatorKey);
  const hub = createHubClient(hubUrl, apiKey);
  try {
    await hub.listAgents();
  } catch (thrown) {
    if (thrown instanceof SondeError && thrown.code === "STARTING_FAILED") throw nothing;
    throw thrown;
  }
  return {
    layout,
    agentName: field("agent"),
    registryUrl: field("registryUrl"),
    mcpUrl: field("mcpUrl"),
    apiKey,
    hub,
    agent: createAgentClient(layout.agentSocket),
  };
}

function readKey(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (cause) {
    throw new SondeError("RIGHT_MISSING", `expected to be able to read ${path}; run as root`, {
      cause,
    });
  }
}
