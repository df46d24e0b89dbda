import { SondeError } from "@sonde/schemas/errors";
import {
  AgentDetail,
  AgentList,
  AssignPack,
  ChangeTags,
  PageQuery,
  QuarantineAgent,
} from "@sonde/schemas/hub";
import { AgentName, PublisherName } from "@sonde/schemas/names";
import { changeTags } from "@sonde/schemas/tags";
import { type Static, Type } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import { OBTAIN_ERRORS } from "../../catalog/index.ts";
import type { KnownAgent } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import { maySeeAgent, type Principal } from "../../identity/index.ts";
import type { PageRequest } from "../../rest/index.ts";
import { listVisiblePacks } from "../core/visible-packs.ts";
import type { AgentChanges } from "./agent-changes.ts";
import type { AgentHolds } from "./agent-holds.ts";
import type { AssignPackTo } from "./assign-pack.ts";
import type { EnrolmentStore } from "./enrolment-store.ts";

const AgentParams = Type.Object({ agent: AgentName });
const PackParams = Type.Object({ agent: AgentName, publisher: PublisherName, pack: PublisherName });

/** Adds the routes that list agents and change their desired packs. */
export function addAgentRoutes(
  hub: Hub,
  agents: AgentChanges,
  holds: AgentHolds,
  enrolments: Pick<EnrolmentStore, "revokeAgent">,
  assign: AssignPackTo,
): void {
  const { app, auditLog, directory, now } = hub;

  app.get(
    "/api/v1/agents",
    {
      config: { right: "agents.read", errors: ["CURSOR_REFUSED"] },
      schema: {
        summary: "The agents that the caller may see, by name",
        querystring: PageQuery,
        response: { 200: AgentList },
      },
    },
    (request) => listAgents(hub, request),
  );

  app.get(
    "/api/v1/agents/:agent",
    {
      config: { right: "agents.read", errors: ["AGENT_UNKNOWN"] },
      schema: { summary: "One agent", params: AgentParams, response: { 200: AgentDetail } },
    },
    async (request) => {
      return describeAgent(hub, directory.agent(request.params.agent), request.principal);
    },
  );

  app.delete(
    "/api/v1/agents/:agent",
    {
      config: { right: "agents.manage", errors: ["AGENT_UNKNOWN"] },
      schema: {
        summary: "Revokes an agent for good",
        params: AgentParams,
        response: { 200: AgentList },
      },
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
      return listAgents(hub, { principal: request.principal, query: {} });
    },
  );

  app.post(
    "/api/v1/agents/:agent/tags",
    {
      config: { right: "agents.manage", errors: ["AGENT_UNKNOWN"] },
      schema: {
        summary: "Sets and removes tags of an agent",
        params: AgentParams,
        body: ChangeTags,
        response: { 200: AgentDetail },
      },
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
      config: { right: "agents.manage", errors: ["AGENT_UNKNOWN"] },
      schema: {
        summary: "Lets no probe of an agent run until it is released",
        params: AgentParams,
        body: QuarantineAgent,
        response: { 200: AgentDetail },
      },
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
      config: { right: "agents.manage", errors: ["AGENT_UNKNOWN"] },
      schema: {
        summary: "Ends every hold of an agent",
        params: AgentParams,
        response: { 200: AgentDetail },
      },
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
      config: { right: "agents.manage", errors: ["AGENT_UNKNOWN", ...OBTAIN_ERRORS] },
      schema: {
        summary: "Lets an agent have a pack, in a version or the newest of a range",
        params: PackParams,
        body: AssignPack,
        response: { 200: AgentDetail },
      },
    },
    async (request) => {
      const agent = directory.agent(request.params.agent);
      const name = `${request.params.publisher}/${request.params.pack}`;
      await assign(agent, name, request.body.version, request.principal);
      return describeAgent(hub, directory.agent(agent.name), request.principal);
    },
  );

  app.delete(
    "/api/v1/agents/:agent/packs/:publisher/:pack",
    {
      config: { right: "agents.manage", errors: ["AGENT_UNKNOWN"] },
      schema: {
        summary: "Removes a pack from an agent",
        params: PackParams,
        response: { 200: AgentDetail },
      },
    },
    async (request) => {
      const agent = directory.agent(request.params.agent);
      const name = `${request.params.publisher}/${request.params.pack}`;
      await auditLog.append(
        buildAuditRecord(now(), "desired-state.changed", {
          principal: request.principal.subject.id,
          agent: agent.name,
          detail: { pack: name, removed: true },
        }),
      );
      await agents.removePack(agent.id, name);
      return describeAgent(hub, directory.agent(agent.name), request.principal);
    },
  );
}

function listAgents(hub: Hub, request: PageRequest): AgentList {
  const { principal } = request;
  const seen = hub.directory.agents().filter((agent) => maySeeAgent(principal, agent));
  const { page, ...more } = hub.pages.cut("agents", request, seen, ({ name }) => name);
  return { agents: page.map((agent) => describeAgent(hub, agent, principal)), ...more };
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
