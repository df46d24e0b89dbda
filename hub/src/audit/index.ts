import { buildAuditRecord } from "./core/audit-record.ts";
import { type AuditLog, type Later, openAuditLog } from "./core/audit-log.ts";
import type { AuditStore } from "./edge/audit-store.ts";

export type { AuditLog } from "./core/audit-log.ts";
export { buildAuditRecord } from "./core/audit-record.ts";
export { addAuditRoutes } from "./edge/audit-routes.ts";
export { type AuditStore, createAuditStore } from "./edge/audit-store.ts";
export { createRefusalCounts, type RefusalCounts } from "./edge/refusal-counts.ts";
export { migrations } from "./migrations.ts";

/**
 * Opens the log and closes this hub's calls that a crash left open, as CALL_OUTCOME_UNKNOWN. Other
 * hubs close their own.
 */
export async function openAudit(store: AuditStore, now: () => Date): Promise<AuditLog> {
  const log = await openAuditLog(store, later);
  for (const request of await store.readOpenRequests()) {
    const { callId, principal, agent, probe, packDigest } = request;
    await log.append(
      buildAuditRecord(now(), "call.unknown", {
        ...{ callId, principal, agent, probe, packDigest },
        status: "failure",
        code: "CALL_OUTCOME_UNKNOWN",
      }),
    );
  }
  return log;
}

const later: Later = (ms, work) => {
  const timer = setTimeout(work, ms);
  return () => clearTimeout(timer);
};
