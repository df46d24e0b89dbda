import { SondeError } from "@sonde/schemas/errors";
import {
  AcceptDrift,
  AgentAttestation,
  DriftPolicy,
  DriftSelector,
  PageQuery,
  SetDriftRule,
} from "@sonde/schemas/hub";
import { AgentName } from "@sonde/schemas/names";
import { Type } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import { maySeeAgent } from "../../identity/index.ts";
import type { Attestations } from "./attestations.ts";
import type { DriftPolicyStore } from "./drift-policy-store.ts";

const AgentParams = Type.Object({ agent: AgentName });
const RuleParams = Type.Object({ on: DriftSelector });

/** Adds the routes that show statements, accept drift and change the policy for it. */
export function addAttestationRoutes(
  { app, auditLog, directory, now, pages }: Hub,
  attestations: Attestations,
  policy: DriftPolicyStore,
): void {
  app.get(
    "/api/v1/agents/:agent/attestation",
    {
      config: { right: "drift.read", errors: ["AGENT_UNKNOWN"] },
      schema: {
        summary: "What an agent states about itself, beside what was approved",
        params: AgentParams,
        response: { 200: AgentAttestation },
      },
    },
    async (request) => {
      const { agent } = request.params;
      if (!maySeeAgent(request.principal, directory.tagged(agent))) {
        throw new SondeError("FORBIDDEN", `this key may not see agent ${agent}`);
      }
      return await attestations.describe(directory.agent(agent));
    },
  );

  app.post(
    "/api/v1/agents/:agent/accept-drift",
    {
      config: {
        right: "drift.manage",
        errors: ["AGENT_UNKNOWN", "NOT_FOUND", "ATTESTATION_STALE"],
      },
      schema: {
        summary: "Approves exactly this statement",
        params: AgentParams,
        body: AcceptDrift,
        response: { 200: AgentAttestation },
      },
    },
    async (request) => {
      const agent = directory.agent(request.params.agent);
      const by = request.principal.subject.id;
      await attestations.accept(agent, request.body.statementSha256, by);
      return await attestations.describe(agent);
    },
  );

  app.get(
    "/api/v1/drift-policy",
    {
      config: { right: "drift.read", errors: ["CURSOR_REFUSED"] },
      schema: {
        summary: "What the hub does to agents with drift to review, by tag",
        querystring: PageQuery,
        response: { 200: DriftPolicy },
      },
    },
    async (request) => {
      const { page, ...more } = pages.cut("drift", request, await policy.list(), ({ on }) => on);
      return { rules: page, ...more };
    },
  );

  app.put(
    "/api/v1/drift-policy/:on",
    {
      config: { right: "drift.manage" },
      schema: {
        summary: "Sets the rule for a tag, or for all agents",
        params: RuleParams,
        body: SetDriftRule,
        response: { 200: DriftPolicy },
      },
    },
    async (request) => {
      const { on } = request.params;
      const { action } = request.body;
      const principal = request.principal.subject.id;
      const at = now();
      const detail = { on, action };
      await auditLog.append(buildAuditRecord(at, "drift-policy.changed", { principal, detail }));
      await policy.set(on, action, principal, at);
      await attestations.applyPolicy();
      return { rules: await policy.list() };
    },
  );

  app.delete(
    "/api/v1/drift-policy/:on",
    {
      config: { right: "drift.manage", errors: ["NOT_FOUND"] },
      schema: { summary: "Removes a rule", params: RuleParams, response: { 200: DriftPolicy } },
    },
    async (request) => {
      const { on } = request.params;
      const rules = await policy.list();
      if (!rules.some((rule) => rule.on === on)) {
        const known = rules.map((rule) => rule.on).join(", ") || "none";
        throw new SondeError("NOT_FOUND", `expected the rule of ${known}, got ${on}`);
      }
      const principal = request.principal.subject.id;
      const detail = { on, action: null };
      await auditLog.append(buildAuditRecord(now(), "drift-policy.changed", { principal, detail }));
      await policy.remove(on);
      return { rules: await policy.list() };
    },
  );
}
