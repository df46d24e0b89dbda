import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SondeError, fromStated } from "@sonde/schemas/errors";
import { type PackReport } from "@sonde/schemas/wire";
import { type AgentClient, createAgentClient } from "../agent-client.ts";
import { confirm, personOf } from "../agent/agent-commands.ts";
import { describePack } from "../agent/describe-pack.ts";
import { writeGrant } from "../agent/grant-files.ts";
import { type DataLayout, layoutOf, resolveDataFolder } from "../data-layout.ts";
import { createHubClient, type HubClient } from "../hub-client.ts";
import { describeAnswer } from "./describe-answer.ts";
import { askTool } from "./first-question.ts";
import type { Progress } from "./progress.ts";
import { publishOfficialPacks } from "./publish-packs.ts";
import { writeAtomically } from "../write-atomically.ts";
import { type Services, startServices } from "./start-services.ts";

export type StartOptions = {
  yes: boolean;
  json: boolean;
  data?: string;
  port: number;
  /** One runner per item: `docker`, or `adm+docker` for a runner in both groups. */
  runnerGroups: string[];
  /** Folder of the bundled programs. */
  dist: string;
  /** The clone, whose official packs are built. */
  workspace: string;
  env: NodeJS.ProcessEnv;
  progress: Progress;
  print: (text: string) => void;
};

const STATE_TIMEOUT_MS = 60_000;

/**
 * `npm start`: sets up an empty machine up to one real answer. Returns the running services; the
 * caller stops them.
 */
export async function runStart(options: StartOptions): Promise<Services> {
  const layout = layoutOf(resolveDataFolder(options.data, options.env));
  const { progress, print } = options;
  const services = await startServices(layout, options);
  try {
    const versions = await publishOfficialPacks(layout, services, options);
    await services.startHub();
    const apiKey = readFileSync(layout.operatorKey, "utf8").trim();
    const hub = createHubClient(services.urls.hub, apiKey);
    await services.startAgent(hub);
    const agent = createAgentClient(layout.agentSocket);
    await progress.step("Agent fetches and verifies the packs", () =>
      assignPacks(hub, agent, services.agentName, versions),
    );
    await approvePacks(layout, agent, options);
    await waitFor("the hub to know the agent's packs", () =>
      hubKnowsPacks(hub, agent, services.agentName),
    );
    const packs = await agent.packs();
    const endpoints = describeEndpoints(layout, services, apiKey, packs);
    writeAtomically(layout.endpoints, `${JSON.stringify({ ...endpoints, apiKey: undefined })}\n`);
    if (options.json) print(JSON.stringify(endpoints));
    else await showFirstAnswer(hub, apiKey, services, packs, layout, options);
    return services;
  } catch (thrown) {
    await services.stop();
    throw thrown;
  }
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

/** True once the agent is connected and the hub knows the present states of its packs. */
async function hubKnowsPacks(
  hub: HubClient,
  agent: AgentClient,
  agentName: string,
): Promise<boolean> {
  const known = (await hub.listAgents()).find(({ name }) => name === agentName);
  const stateAtHub = new Map(known?.packs.map(({ name, state }) => [name, state]));
  const packs = await agent.packs();
  return known?.online === true && packs.every(({ name, state }) => stateAtHub.get(name) === state);
}

/** Shows what each pending pack asks for, and grants it when a person, or `--yes`, agrees. */
async function approvePacks(
  layout: DataLayout,
  agent: AgentClient,
  options: StartOptions,
): Promise<void> {
  for (const report of await agent.packs()) {
    if (report.state !== "pending" && report.state !== "held") continue;
    const shown = await agent.explain(report.name);
    options.progress.say(describePack(shown));
    const agreed =
      options.yes ||
      (!options.json && (await confirm(`Grant this to ${report.name} on this host?`)));
    if (!agreed) {
      options.progress.say(
        `${report.name} stays ${report.state}. To approve it: npm run -s sonde -- agent approve ${report.name} --data ${layout.root}`,
      );
      continue;
    }
    writeGrant(layout.grants, shown, personOf(options.env), new Date());
    const after = (await agent.reload()).find(({ name }) => name === report.name);
    options.progress.say(
      `${report.name} is ${after?.state ?? "gone"}.${after?.reason ? ` ${after.reason.message}` : ""}`,
    );
  }
}

async function showFirstAnswer(
  hub: HubClient,
  apiKey: string,
  services: Services,
  packs: PackReport[],
  layout: DataLayout,
  { print }: StartOptions,
): Promise<void> {
  const ready = packs.some(({ name, state }) => name === "sonde/system" && state === "active");
  if (ready) {
    const answer = await askTool(services.urls.mcp, apiKey, "system_disk_usage", {
      agent: services.agentName,
    });
    print(describeAnswer(answer, await hub.readCall(answer.callId)));
  }
  print(
    [
      "",
      `MCP        ${services.urls.mcp}`,
      `API key    in ${layout.operatorKey} (mode 0600)`,
      `Logs       ${layout.logs}`,
      `Claude     claude mcp add --transport http sonde ${services.urls.mcp} --header "Authorization: Bearer $(cat ${layout.operatorKey})"`,
      ...services.warnings.map((warning) => `Note       ${warning}`),
      "Ready. Ctrl-C stops everything.",
    ].join("\n"),
  );
}

function describeEndpoints(
  layout: DataLayout,
  services: Services,
  apiKey: string,
  packs: PackReport[],
) {
  return {
    mcpUrl: services.urls.mcp,
    hubUrl: services.urls.hub,
    registryUrl: services.urls.registry,
    apiKey,
    agent: services.agentName,
    caFile: join(layout.config, "hub-ca.pem"),
    pids: services.pids(),
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
