import { SondeError } from "@sonde/schemas/errors";
import { AgentDetail, AgentList, AssignPack } from "@sonde/schemas/hub";
import { AgentName, PublisherName } from "@sonde/schemas/names";
import { MAX_PACKS } from "@sonde/schemas/wire";
import { type Static, Type } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { AssignablePacks } from "../../catalog/index.ts";
import type { KnownAgent } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import { maySeeAgent, type Principal } from "../../identity/index.ts";
import type { AgentChanges } from "./agent-changes.ts";

const AgentParams = Type.Object({ agent: AgentName });
const PackParams = Type.Object({ agent: AgentName, publisher: PublisherName, pack: PublisherName });

/** Adds the routes that list agents and change their desired packs. */
export function addAgentRoutes(hub: Hub, agents: AgentChanges, packs: AssignablePacks): void {
  const { app, directory, now } = hub;

  app.get(
    "/api/v1/agents",
    { config: { right: "agents.read" }, schema: { response: { 200: AgentList } } },
    (request) => ({
      agents: directory
        .agents()
        .filter(({ name }) => maySeeAgent(request.principal, name))
        .map((agent) => describeAgent(hub, agent)),
    }),
  );

  app.get(
    "/api/v1/agents/:agent",
    {
      config: { right: "agents.read" },
      schema: { params: AgentParams, response: { 200: AgentDetail } },
    },
    async (request) => {
      const { agent } = request.params;
      if (!maySeeAgent(request.principal, agent)) {
        throw new SondeError("FORBIDDEN", `this key may not see agent ${agent}`);
      }
      return describeAgent(hub, directory.agent(agent));
    },
  );

  app.put(
    "/api/v1/agents/:agent/packs/:publisher/:pack",
    {
      config: { right: "agents.manage" },
      schema: { params: PackParams, body: AssignPack, response: { 200: AgentDetail } },
    },
    async (request) => {
      const agent = directory.agent(request.params.agent);
      const name = `${request.params.publisher}/${request.params.pack}`;
      requireRoom(agent, name);
      const agentVersion = agent.hello?.agentVersion ?? null;
      const pack = await packs.obtain(name, request.body.version, agentVersion);
      const { version, digest } = pack;
      const at = now();
      const by = request.principal.subject.id;
      await record(hub, request.principal, agent.name, { pack: name, version, digest });
      // Installing a pack approves the words of its new probes. Words that differ from a pin stay
      // held until a person approves them.
      await packs.approveNewTools(pack, by, at);
      await agents.assignPack({ agentId: agent.id, pack: name, digest, by, at });
      return describeAgent(hub, directory.agent(agent.name));
    },
  );

  app.delete(
    "/api/v1/agents/:agent/packs/:publisher/:pack",
    {
      config: { right: "agents.manage" },
      schema: { params: PackParams, response: { 200: AgentDetail } },
    },
    async (request) => {
      const agent = directory.agent(request.params.agent);
      const name = `${request.params.publisher}/${request.params.pack}`;
      await record(hub, request.principal, agent.name, { pack: name, removed: true });
      await agents.removePack(agent.id, name);
      return describeAgent(hub, directory.agent(agent.name));
    },
  );
}

/**
 * Keeps the desired state within what an agent accepts. An agent ends its session on a longer one,
 * again after every reconnect.
 */
function requireRoom({ name: agent, desired }: KnownAgent, pack: string): void {
  const others = desired.packs.filter(({ name }) => name !== pack);
  if (others.length < MAX_PACKS) return;
  throw new SondeError(
    "BAD_REQUEST",
    `${agent}: expected at most ${MAX_PACKS} packs, got one more`,
  );
}

function describeAgent(
  { links }: Pick<Hub, "links">,
  agent: KnownAgent,
): Static<typeof AgentDetail> {
  return {
    id: agent.id,
    name: agent.name,
    online: links.isOnline(agent),
    enrolledAt: agent.enrolledAt,
    lastSeenAt: agent.lastSeenAt,
    os: agent.hello?.os ?? null,
    wall: agent.hello?.wall ?? null,
    desired: agent.desired.packs,
    packs: agent.packs,
  };
}

async function record(
  { auditLog, now }: Hub,
  { subject }: Principal,
  agent: string,
  detail: Record<string, unknown>,
): Promise<void> {
  await auditLog.append(
    buildAuditRecord(now(), "desired-state.changed", { principal: subject.id, agent, detail }),
  );
}
