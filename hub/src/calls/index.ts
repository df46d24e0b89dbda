import { randomUUID } from "node:crypto";
import type { AuditStore } from "../audit/index.ts";
import type { Catalog } from "../catalog/index.ts";
import type { KeepPolicy } from "../evidence/index.ts";
import type { Hub } from "../hub.ts";
import type { CallRates } from "../identity/index.ts";
import type { CallPorts } from "./core/call.ts";
import { addCallListRoute } from "./edge/call-list-route.ts";
import { addProvenanceRoutes } from "./edge/provenance-routes.ts";

export type { AgentOutcome, CallOutcome, CallPorts, CallRequest } from "./core/call.ts";
export { callProbe } from "./core/call-probe.ts";
export { chooseAgents, findAgent, findOnlyAgent } from "./core/choose-agents.ts";
export { refuseAgent } from "./core/decide-each.ts";
export { explainCall } from "./core/explain-call.ts";
export { explainThrown, recordRefusal } from "./core/record-call.ts";
export { renderError } from "./core/render.ts";

/** Clients give up after about 45 s. */
const ANSWER_WITHIN_MS = 40_000;
/** How many agents a call may ask, unless the configuration says otherwise. */
const MAX_AGENTS = 50;

/** Installs the routes that tell of calls. The result is what `callProbe` needs. */
export function installCalls(
  hub: Hub,
  uses: { catalog: Catalog; auditStore: AuditStore; rates: CallRates; keepPolicy: KeepPolicy },
): CallPorts {
  addCallListRoute(hub, uses.auditStore);
  addProvenanceRoutes(hub, uses.auditStore);
  return {
    ...hub,
    ...{ catalog: uses.catalog, rates: uses.rates, keepPolicy: uses.keepPolicy },
    newCallId: randomUUID,
    limits: () => ({
      timeoutMs: hub.config.callTimeoutMs,
      answerWithinMs: ANSWER_WITHIN_MS,
      maxAgents: hub.config.maxAgentsPerCall ?? MAX_AGENTS,
    }),
  };
}
