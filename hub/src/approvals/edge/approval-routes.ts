import { ApprovalOutcome, ApprovalRequest, ApprovePack, Inbox } from "@sonde/schemas/approvals";
import { SondeError } from "@sonde/schemas/errors";
import { AgentName, PublisherName } from "@sonde/schemas/names";
import { Type } from "typebox";
import type { KnownAgent } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import { maySeeAgent, maySeePack, type Principal } from "../../identity/index.ts";
import type { Approvals } from "./approvals.ts";
import type { ReadInbox } from "./read-inbox.ts";

const PackParams = Type.Object({ agent: AgentName, publisher: PublisherName, pack: PublisherName });

/** Adds the routes by which a person decides at the hub. */
export function addApprovalRoutes(
  { app, directory }: Pick<Hub, "app" | "directory">,
  approvals: Approvals,
  readInbox: ReadInbox,
): void {
  /** @throws SondeError FORBIDDEN for an agent or a pack that is not of the caller's policy */
  function findAgent(principal: Principal, agent: string, pack: string): KnownAgent {
    const tagged = directory.tagged(agent);
    if (!maySeeAgent(principal, tagged) || !maySeePack(principal, tagged, pack)) {
      throw new SondeError("FORBIDDEN", `this key may not see ${pack} on agent ${agent}`);
    }
    return directory.agent(agent);
  }

  app.get(
    "/api/v1/agents/:agent/packs/:publisher/:pack/approval",
    {
      config: { right: "inbox.read", errors: ["AGENT_UNKNOWN", "NOT_FOUND", "PACK_NOT_ACTIVE"] },
      schema: {
        summary: "What a pack asks of a host, who granted what, and what the hub may grant",
        params: PackParams,
        response: { 200: ApprovalRequest },
      },
    },
    (request) => {
      const { agent, publisher, pack } = request.params;
      const name = `${publisher}/${pack}`;
      return approvals.describe(findAgent(request.principal, agent, name), name);
    },
  );

  app.post(
    "/api/v1/agents/:agent/packs/:publisher/:pack/approve",
    {
      config: {
        right: "packs.approve",
        errors: ["AGENT_UNKNOWN", "NOT_FOUND", "APPROVAL_STALE", "HOST_DECIDES", "PACK_NOT_ACTIVE"],
      },
      schema: {
        summary: "Grants what was shown, as far as the host lets its hub grant it",
        params: PackParams,
        body: ApprovePack,
        response: { 200: ApprovalOutcome },
      },
    },
    async (request) => {
      const { agent, publisher, pack } = request.params;
      const name = `${publisher}/${pack}`;
      const known = findAgent(request.principal, agent, name);
      return await approvals.approve(known, name, request.body, request.principal);
    },
  );

  app.post(
    "/api/v1/agents/:agent/packs/:publisher/:pack/revoke-approval",
    {
      config: { right: "packs.approve", errors: ["AGENT_UNKNOWN", "NOT_FOUND", "PACK_NOT_ACTIVE"] },
      schema: {
        summary: "Takes back what the hub granted",
        params: PackParams,
        response: { 200: ApprovalRequest },
      },
    },
    async (request) => {
      const { agent, publisher, pack } = request.params;
      const name = `${publisher}/${pack}`;
      const known = findAgent(request.principal, agent, name);
      return await approvals.revoke(known, name, request.principal);
    },
  );

  app.get(
    "/api/v1/inbox",
    {
      config: { right: "inbox.read" },
      schema: {
        summary: "What waits for a person, each with the request that resolves it",
        response: { 200: Inbox },
      },
    },
    (request) => readInbox(request.principal),
  );
}
