import { type AuditRecord } from "@sonde/schemas/audit";
import { toSondeError } from "@sonde/schemas/errors";
import type { AuditLog } from "./audit-log.ts";

export type AgentEvent = Pick<AuditRecord, "event" | "status" | "code" | "detail"> & {
  packDigest?: AuditRecord["packDigest"];
};

/**
 * Records what happened to the agent itself, outside any call. What happened
 * cannot be undone by a log that is full, so that is reported, not thrown;
 * calls are refused by their own entries.
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
