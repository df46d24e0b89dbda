import { randomUUID } from "node:crypto";
import type { AuditStore } from "../audit/index.ts";
import type { Catalog } from "../catalog/index.ts";
import type { Hub } from "../hub.ts";
import type { CallPorts } from "./core/call-probe.ts";
import { addProvenanceRoutes } from "./edge/provenance-routes.ts";

export { callProbe, type CallOutcome, type CallPorts } from "./core/call-probe.ts";
export { renderError } from "./core/render.ts";

/** Installs the calls' provenance route. The result is what `callProbe` needs. */
export function installCalls(
  hub: Hub,
  uses: { catalog: Catalog; auditStore: AuditStore },
): CallPorts {
  addProvenanceRoutes(hub, uses.auditStore);
  return {
    ...hub,
    catalog: uses.catalog,
    newCallId: randomUUID,
    timeoutMs: hub.config.callTimeoutMs,
  };
}
