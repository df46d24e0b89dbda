import { setTimeout as sleep } from "node:timers/promises";
import { replaceFile } from "@sonde/files";
import { SondeError, adviceOn, fromStated } from "@sonde/schemas/errors";
import { type PackReport } from "@sonde/schemas/wire";
import { type AgentClient, createAgentClient } from "../agent-client.ts";
import type { DataLayout } from "../data-layout.ts";
import { createHubClient, type HubClient } from "../hub-client.ts";
import { readOperatorKey } from "../read-back.ts";
import { approvePacks } from "./approve-packs.ts";
import { ensureClientKey } from "./client-key.ts";
import { describeAnswer } from "./describe-answer.ts";
import { consoleAddress, describeReady } from "./describe-ready.ts";
import { askTool } from "./first-question.ts";
import type { Progress } from "./progress.ts";
import type { SetUpOrder } from "./set-up-process.ts";

type Product = SetUpOrder["product"];

type Options = {
  yes: boolean;
  json: boolean;
  env: NodeJS.ProcessEnv;
  progress: Progress;
  print: (text: string) => void;
};

const STATE_TIMEOUT_MS = 60_000;
const ATTESTED_MS = 10_000;

/**
 * Has the agent of a started product fetch the published packs, has them approved, and says where
 * everything is, after a first answer.
 *
 * @param published pack name -> version
 */
export async function settle(
  layout: DataLayout,
  product: Product,
  published: Map<string, string>,
  options: Options,
): Promise<void> {
  const { progress, print } = options;
  const apiKey = readOperatorKey(layout);
  const hub = createHubClient(product.urls.hub, apiKey);
  const agent = createAgentClient(layout.agentSocket);
  await progress.step("Agent fetches and verifies the packs", () =>
    assignPacks(hub, agent, product.agentName, published),
  );
  await approvePacks(layout, agent, options);
  await waitFor("the hub to know the agent's packs", () =>
    hubKnowsPacks(hub, agent, product.agentName),
  );
  const clientKey = await ensureClientKey(layout, hub);
  const packs = await agent.packs();
  const endpoints = describeEndpoints(layout, product, apiKey, packs);
  replaceFile(
    layout.endpoints,
    `${JSON.stringify({ ...endpoints, apiKey: undefined, ownerLink: undefined })}\n`,
  );
  if (options.json) print(JSON.stringify(endpoints));
  else await showFirstAnswer({ hub, agent }, clientKey, product, packs, layout, print);
}

async function assignPacks(
  hub: HubClient,
  agent: AgentClient,
  agentName: string,
  versions: Map<string, string>,
): Promise<void> {
  const [known] = (await hub.listAgents()).filter(({ name }) => name === agentName);
  for (const [name, version] of versions) {
    const desired = known?.desired.find((pack) => pack.name === name);
    if (desired?.version !== version) await hub.assignPack(agentName, name, version);
  }
  const settled = new Set(["pending", "active", "held", "revoked"]);
  await waitFor("the agent to verify the packs", async () => {
    const packs = await agent.packs();
    const failed = packs.find(({ state }) => state === "failed");
    if (failed?.reason) throw fromStated(failed.reason);
    return [...versions].every(([name, version]) =>
      packs.some(
        (pack) => pack.name === name && pack.version === version && settled.has(pack.state),
      ),
    );
  });
}

/**
 * True once the agent is connected and the hub knows the present states of its packs, and when it
 * does not connect before a person has decided.
 */
async function hubKnowsPacks(
  hub: HubClient,
  agent: AgentClient,
  agentName: string,
): Promise<boolean> {
  const known = (await hub.listAgents()).find(({ name }) => name === agentName);
  const stateAtHub = new Map(known?.packs.map(({ name, state }) => [name, state]));
  const packs = await agent.packs();
  if (known?.holds.some(({ kind }) => kind === "locked") === true) return true;
  if (known?.online !== true) return (await whyRefused(agent)) !== null;
  return packs.every(({ name, state }) => stateAtHub.get(name) === state);
}

/** Why the agent refuses its hub for good; null while it does not. */
async function whyRefused(agent: AgentClient): Promise<string | null> {
  const { problem } = (await agent.status()).hub;
  if (problem === null || adviceOn(problem.code).retryable) return null;
  return `${problem.code}: ${problem.message}`;
}

/**
 * Why the agent may not be asked; null when it may. One that has just come back after its certificate
 * had ended is released within moments, by what it attests.
 */
async function whyHeld(hub: HubClient, agentName: string): Promise<string | null> {
  const end = performance.now() + ATTESTED_MS;
  for (;;) {
    const known = (await hub.listAgents()).find(({ name }) => name === agentName);
    const holds = known?.holds ?? [];
    if (holds.length === 0) return null;
    if (holds.some(({ kind }) => kind !== "restricted") || performance.now() > end) {
      return holds.map(({ kind, reason }) => `${kind}: ${reason}`).join("; ");
    }
    await sleep(100);
  }
}

async function showFirstAnswer(
  { hub, agent }: { hub: HubClient; agent: AgentClient },
  clientKey: string,
  product: Product,
  packs: PackReport[],
  layout: DataLayout,
  print: (text: string) => void,
): Promise<void> {
  const refused = await whyRefused(agent);
  const held = await whyHeld(hub, product.agentName);
  if (refused !== null) {
    print(
      `${product.agentName} refuses this hub, so it cannot be asked. ${refused}\nTo accept the hub as it is: sonde agent accept-hub --data ${layout.root}`,
    );
  } else if (held !== null) {
    print(
      `${product.agentName} is held, so it is asked nothing. ${held}\nTo release it: sonde agents release ${product.agentName} --data ${layout.root}`,
    );
  } else if (packs.some(({ name, state }) => name === "sonde/system" && state === "active")) {
    const answer = await askTool(product.urls.mcp, clientKey, "system_disk_usage", {
      agent: product.agentName,
    });
    print(describeAnswer(answer, await hub.readCall(answer.callId)));
  }
  print(describeReady(layout, product));
}

function describeEndpoints(
  layout: DataLayout,
  { agentName, urls, publicUrls, ownerLink, pids }: Product,
  apiKey: string,
  packs: PackReport[],
) {
  return {
    mcpUrl: urls.mcp,
    hubUrl: urls.hub,
    consoleUrl: consoleAddress(urls.hub),
    registryUrl: urls.registry,
    apiKey,
    ...(publicUrls !== null && {
      publicMcpUrl: publicUrls.mcp,
      publicRegistryUrl: publicUrls.registry,
    }),
    ...(ownerLink !== null && { ownerLink }),
    agent: agentName,
    caFile: layout.hubCa,
    pids,
    packs: packs.map(({ name, version, state, digest }) => ({ name, version, state, digest })),
  };
}

/** @throws SondeError STARTING_FAILED naming what did not happen in time */
async function waitFor<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = Date.now() + STATE_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    await sleep(100);
  }
  throw new SondeError("STARTING_FAILED", `waited ${STATE_TIMEOUT_MS / 1000} s for ${what}`);
}
