import type { CallToolResult } from "@modelcontextprotocol/server";
import type { ToolResult } from "@sonde/schemas/hub";
import { AGENT_ARGUMENT, expandPackName } from "@sonde/schemas/names";
import { markUnsigned } from "@sonde/schemas/trust";
import { listVisiblePacks } from "../../agents/index.ts";
import { chooseAgents, findAgent, refuseAgent } from "../../calls/index.ts";
import { maySeeAgent } from "../../identity/index.ts";
import { runRunbooks } from "../../runbooks/index.ts";
import { AGENT_OVERVIEW, DIAGNOSE, HEALTH_CHECK } from "../core/fixed-tools.ts";
import { overviewAgent } from "../core/overview-agent.ts";
import { answerDiagnosis, answerResults } from "./answers.ts";
import { NOTHING_READ, type Run } from "./call-tool.ts";

// The hub's own tools that tell of servers.

export function listAgents(
  ...[ports, principal, , meta]: Parameters<Run>
): Promise<CallToolResult> {
  const results: ToolResult[] = ports.directory
    .agents()
    .filter((agent) => maySeeAgent(principal, agent))
    .map((agent) => ({
      agent: agent.name,
      status: "ok",
      data: {
        tags: agent.tags,
        online: ports.links.isOnline(agent),
        // While an agent is held, each of its probes refuses with the reason.
        held: agent.holds.map(({ kind, reason }) => `${kind}: ${reason}`),
        // Whether the host is as a person approved it, by its own word.
        attestation: agent.attestation.state,
        os: agent.hello?.os ?? null,
        packs: listVisiblePacks(agent, principal).packs.map(
          ({ name, version, state, signer, reason }) =>
            // A call of what is not granted says what, and what grants it.
            `${name} ${version} ${state}${state === "active" && reason !== null ? " in part" : ""}${markUnsigned(signer)}`,
        ),
      },
      ...NOTHING_READ,
      collectedAt: agent.lastSeenAt,
    }));
  return answerResults(ports, principal, results, meta);
}

export async function agentOverview(...[ports, principal, args, meta]: Parameters<Run>) {
  const { directory, links, limits } = ports;
  const named = args[AGENT_ARGUMENT];
  const agents = chooseAgents(directory.agents(), principal, named, limits().maxAgents);
  const describe = async (name: string): Promise<ToolResult> => {
    try {
      const agent = findAgent(directory, principal, name, named);
      const data = overviewAgent(ports, principal, agent, links.isOnline(agent));
      return { agent: name, ...NOTHING_READ, status: "ok", data, collectedAt: agent.lastSeenAt };
    } catch (thrown) {
      const call = { callId: ports.newCallId(), principal: principal.subject.id, agent: name };
      return (await refuseAgent(ports, call, AGENT_OVERVIEW.name, thrown)).result;
    }
  };
  return await answerResults(ports, principal, await Promise.all(agents.map(describe)), meta);
}

export async function diagnose(...[ports, principal, args, meta, signal]: Parameters<Run>) {
  const pack = expandPackName(String(args["pack"]));
  const request = { tool: DIAGNOSE.name, agent: args[AGENT_ARGUMENT], pack };
  const diagnosed = await runRunbooks(ports, principal, request, signal);
  // Only what was run: a client may name anything.
  if (diagnosed.some(({ result }) => result.status === "ok")) ports.packUses.count(pack);
  return await answerDiagnosis(ports, principal, diagnosed, meta);
}

export async function healthCheck(...[ports, principal, args, meta, signal]: Parameters<Run>) {
  const request = { tool: HEALTH_CHECK.name, agent: args[AGENT_ARGUMENT], pack: null };
  const diagnosed = await runRunbooks(ports, principal, request, signal);
  return await answerDiagnosis(ports, principal, diagnosed, meta);
}
