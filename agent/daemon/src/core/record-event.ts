import { type AuditRecord } from "@sonde/schemas/audit";
import { toSondeError } from "@sonde/schemas/errors";
import type { AuditLog } from "./audit-log.ts";

export type AgentEvent = Pick<AuditRecord, "event" | "status" | "code" | "detail"> & {
  packDigest?: AuditRecord["packDigest"];
};

/**
 * Records events of the agent itself, outside any call. A failed write is reported, not
 * thrown, because the event has already happened. Calls are still refused, as their own
 * entries fail too.
 */
export function createEventRecorder(
  audit: AuditLog,
  agent: string,
  now: () => number,
  report: (code: string) => void,
): (event: AgentEvent) => void {
  return ({ event, status, code, detail, packDigest = null }) => {
    try {
      audit.note({
        at: new Date(now()).toISOString(),
        event,
        callId: null,
        principal: null,
        agent,
        probe: null,
        packDigest,
        status,
        code,
        durationMs: null,
        detail,
      });
    } catch (thrown) {
      report(toSondeError(thrown).code);
    }
  };
}
