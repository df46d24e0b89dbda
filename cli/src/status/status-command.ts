import { toSondeError } from "@sonde/schemas/errors";
import type { AgentDetail } from "@sonde/schemas/hub";
import type { PackReport } from "@sonde/schemas/wire";
import type { Command } from "commander";
import { adviseApproval } from "../agent/advise-approval.ts";
import { describeReport } from "../agent/describe-pack.ts";
import { findAbsentPart } from "../agent/find-absent-part.ts";
import { createAgentClient } from "../agent-client.ts";
import { startDataCommand } from "../data-command.ts";
import { type DataLayout, layoutOf, resolveDataFolder } from "../data-layout.ts";
import { readEndpoints } from "../endpoints.ts";
import { requestJson } from "../http-json.ts";
import { createHubClient } from "../hub-client.ts";
import { readOperatorKey } from "../read-back.ts";
import { formatTable } from "../table.ts";

type Options = { data?: string; json?: boolean };

/** `problem` is null for a service that answers. */
export type ServiceStatus = { service: "hub" | "registry"; url: string; problem: string | null };

/** What `sonde status` found. */
export type FoundStatus = {
  services: readonly ServiceStatus[];
  agents: readonly AgentDetail[];
  /** What a person may do next, each on the host that it names. */
  next: readonly string[];
};

/** Why a pack waits for a person on its host. Others wait for a runner in their groups. */
const APPROVABLE = new Set(["PACK_NOT_ACTIVE", "READ_NOT_GRANTED", "PACK_DOWNGRADE"]);

/** A pack that serves waits for nobody: who approved it in part has decided about the rest. */
export function isApprovable({ state, reason }: PackReport): boolean {
  return state !== "active" && reason !== null && APPROVABLE.has(reason.code);
}

/** `sonde status`: what runs in a data folder, and what to do about what does not. */
export function addStatusCommand(program: Command, print: (text: string) => void): void {
  startDataCommand(
    program,
    "status",
    "what runs here, which agents and packs it has, and what to do next",
  ).action(async (options: Options) => {
    const layout = layoutOf(resolveDataFolder(options.data, process.env));
    const { hubUrl, mcpUrl, registryUrl, agent } = readEndpoints(layout);
    const services = await Promise.all([
      askHealth("hub", hubUrl),
      askHealth("registry", registryUrl),
    ]);
    const hub = createHubClient(hubUrl, readOperatorKey(layout));
    const agents = services[0].problem === null ? await hub.listAgents() : [];
    const unasked = await listUnasked(
      layout,
      agents.find(({ name }) => name === agent),
    );
    const next = adviseNext(layout.root, agent, services, agents, unasked);
    const found = { services, agents, next };
    print(
      options.json
        ? JSON.stringify({ data: layout.root, mcpUrl, ...found })
        : describeStatus(`Sonde in ${layout.root}, for clients at ${mcpUrl}`, found),
    );
    if (services.some(({ problem }) => problem !== null)) process.exitCode = 1;
  });
}

export async function askHealth(
  service: ServiceStatus["service"],
  url: string,
): Promise<ServiceStatus> {
  try {
    await requestJson({
      ...{ method: "GET", path: "/health", target: { url } },
      ...{ unavailable: "STARTING_FAILED", what: service },
    });
    return { service, url, problem: null };
  } catch (thrown) {
    return { service, url, problem: toSondeError(thrown).message };
  }
}

/** Packs of this host about which nobody is asked, because it lacks their engine or a runner for them. */
async function listUnasked(
  { agentSocket }: DataLayout,
  here: AgentDetail | undefined,
): Promise<ReadonlySet<string>> {
  const client = createAgentClient(agentSocket);
  const unasked = new Set<string>();
  if (here?.online !== true) return unasked;
  for (const pack of here.packs.filter(isApprovable)) {
    if (findAbsentPart(await client.explain(pack.name)) !== null) unasked.add(pack.name);
  }
  return unasked;
}

/** @param here the agent that `npm start` runs; others are on hosts with a package */
function adviseNext(
  root: string,
  here: string,
  services: ServiceStatus[],
  agents: AgentDetail[],
  unasked: ReadonlySet<string>,
): string[] {
  if (services.some(({ problem }) => problem !== null)) return [`npm start -- --data ${root}`];
  return agents.flatMap(({ name: agent, packs }) =>
    packs
      .filter(isApprovable)
      .filter(({ name }) => agent !== here || !unasked.has(name))
      .map(({ name }) => adviseApproval(agent, name, here, { data: root })),
  );
}

export function describeStatus(title: string, { services, agents, next }: FoundStatus): string {
  const rows = [
    ...services.map(({ service, url, problem }) => [service, problem ?? "answers", url]),
    ...agents.flatMap(({ name, online, packs }) => [
      ["agent", online ? "connected" : "offline", name],
      ...packs.map((pack) => ["", "", `  ${describeReport(pack)}`]),
    ]),
  ];
  return [
    title,
    formatTable(["PART", "STATE", "WHICH"], rows),
    ...next.map((command) => `Next: ${command}`),
  ].join("\n");
}
