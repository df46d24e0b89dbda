import { SondeError } from "@sonde/schemas/errors";
import {
  AgentDetail,
  AgentList,
  AssignPack,
  ChangeTags,
  QuarantineAgent,
} from "@sonde/schemas/hub";
import { AgentName, PublisherName } from "@sonde/schemas/names";
import { MAX_PACKS } from "@sonde/schemas/wire";
import { changeTags } from "@sonde/schemas/tags";
import { type Static, Type } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { AssignablePacks } from "../../catalog/index.ts";
import type { KnownAgent } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import { maySeeAgent, type Principal } from "../../identity/index.ts";
import { listVisiblePacks } from "../core/visible-packs.ts";
import type { AgentChanges } from "./agent-changes.ts";
import type { AgentHolds } from "./agent-holds.ts";
import type { EnrolmentStore } from "./enrolment-store.ts";

const AgentParams = Type.Object({ agent: AgentName });
const PackParams = Type.Object({ agent: AgentName, publisher: PublisherName, pack: PublisherName });

/** Adds the routes that list agents and change their desired packs. */
export function addAgentRoutes(
  hub: Hub,
  agents: AgentChanges,
  holds: AgentHolds,
  enrolments: Pick<EnrolmentStore, "revokeAgent">,
  packs: AssignablePacks,
): void {
  const { app, auditLog, directory, now } = hub;

  app.get(
    "/api/v1/agents",
    { config: { right: "agents.read" }, schema: { response: { 200: AgentList } } },
    (request) => ({ agents: listAgents(hub, request.principal) }),
  );

  app.get(
    "/api/v1/agents/:agent",
    {
      config: { right: "agents.read" },
      schema: { params: AgentParams, response: { 200: AgentDetail } },
    },
    async (request) => {
      const { agent } = request.params;
      if (!maySeeAgent(request.principal, directory.tagged(agent))) {
        throw new SondeError("FORBIDDEN", `this key may not see agent ${agent}`);
      }
      return describeAgent(hub, directory.agent(agent), request.principal);
    },
  );

  app.delete(
    "/api/v1/agents/:agent",
    {
      config: { right: "agents.manage" },
      schema: { params: AgentParams, response: { 200: AgentList } },
    },
    async (request) => {
      const { id, name } = directory.agent(request.params.agent);
      await auditLog.append(
        buildAuditRecord(now(), "agent.revoked", {
          principal: request.principal.subject.id,
          agent: name,
          detail: { id },
        }),
      );
      await enrolments.revokeAgent({ id, name });
      return { agents: listAgents(hub, request.principal) };
    },
  );

  app.post(
    "/api/v1/agents/:agent/tags",
    {
      config: { right: "agents.manage" },
      schema: { params: AgentParams, body: ChangeTags, response: { 200: AgentDetail } },
    },
    async (request) => {
      const { id, name, tags } = directory.agent(request.params.agent);
      const { set, remove } = request.body;
      // A change that does not fit is refused before it is recorded. The store decides again.
      const after = changeTags(tags, request.body);
      await auditLog.append(
        buildAuditRecord(now(), "agent.tagged", {
          principal: request.principal.subject.id,
          agent: name,
          detail: { set, remove, tags: after },
        }),
      );
      await agents.changeTags(id, request.body);
      return describeAgent(hub, directory.agent(name), request.principal);
    },
  );

  app.post(
    "/api/v1/agents/:agent/quarantine",
    {
      config: { right: "agents.manage" },
      schema: { params: AgentParams, body: QuarantineAgent, response: { 200: AgentDetail } },
    },
    async (request) => {
      const agent = directory.agent(request.params.agent);
      const by = request.principal.subject.id;
      const { reason } = request.body;
      if (!(await holds.hold(agent, { kind: "quarantined", reason, by }))) {
        throw new SondeError(
          "BAD_REQUEST",
          `expected an agent that is not quarantined, ${agent.name} is`,
        );
      }
      return describeAgent(hub, directory.agent(agent.name), request.principal);
    },
  );

  app.post(
    "/api/v1/agents/:agent/release",
    {
      config: { right: "agents.manage" },
      schema: { params: AgentParams, response: { 200: AgentDetail } },
    },
    async (request) => {
      const agent = directory.agent(request.params.agent);
      if (agent.holds.length === 0) {
        throw new SondeError("BAD_REQUEST", `expected an agent that is held, ${agent.name} is not`);
      }
      await holds.release(agent, request.principal.subject.id);
      return describeAgent(hub, directory.agent(agent.name), request.principal);
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
      return describeAgent(hub, directory.agent(agent.name), request.principal);
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
      return describeAgent(hub, directory.agent(agent.name), request.principal);
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

function listAgents(hub: Hub, principal: Principal): AgentList["agents"] {
  return hub.directory
    .agents()
    .filter((agent) => maySeeAgent(principal, agent))
    .map((agent) => describeAgent(hub, agent, principal));
}

export function describeAgent(
  { links }: Pick<Hub, "links">,
  agent: KnownAgent,
  principal: Principal,
): Static<typeof AgentDetail> {
  return {
    id: agent.id,
    name: agent.name,
    tags: agent.tags,
    online: links.isOnline(agent),
    enrolledAt: agent.enrolledAt,
    certificateExpiresAt: agent.certificateExpiresAt,
    lastSeenAt: agent.lastSeenAt,
    clockSkewMs: agent.clockSkewMs,
    refusedHubAt: agent.refusedHubAt,
    holds: agent.holds,
    attestation: agent.attestation,
    agentVersion: agent.hello?.agentVersion ?? null,
    os: agent.hello?.os ?? null,
    wall: agent.hello?.wall ?? null,
    ...listVisiblePacks(agent, principal),
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
