import { type AuditEntry, type AuditRecord, buildAuditRecord } from "@sonde/schemas/audit";
import type { ErrorCode } from "@sonde/schemas/errors";
import type { AuditLog } from "../core/audit-log.ts";
import type { AuditStore } from "./audit-store.ts";

/**
 * A hub that was not seen for a while may still record the end of its calls. After this time it
 * cannot: a call takes at most 58 s.
 */
const ABANDONED_AFTER_MS = 120_000;

/** Records the calls whose hub is gone as CALL_OUTCOME_UNKNOWN, each once, whichever hub does it. */
export type OpenCalls = {
  /** Closes those that this hub left open. Must be called before it has new ones. */
  closeOwn(): Promise<void>;
  /** Closes, some time later, those of other hubs that do not run then. */
  closeLater(): void;
  /**
   * Closes a request that is on record although its hub was told that it could not be written, and
   * so did not send it.
   */
  closeUnsent(entry: AuditEntry): void;
  /** Closes nothing from now on. */
  stop(): void;
};

/**
 * @param options.self this hub's name
 * @param options.running gives the names of the hubs that run on this database now
 */
export function createOpenCalls(options: {
  store: AuditStore;
  auditLog: Pick<AuditLog, "append" | "appendSoon">;
  now: () => Date;
  self: string;
  running: () => readonly string[];
  report: (error: Error) => void;
}): OpenCalls {
  const { store, auditLog, now, self, report } = options;
  let timer: NodeJS.Timeout | undefined;

  async function close(untouched: readonly string[]): Promise<void> {
    const at = now();
    const abandoned = new Date(at.getTime() - ABANDONED_AFTER_MS).toISOString();
    for (const { writer, record } of await store.readOpenRequests(untouched)) {
      if (writer !== null && writer !== self && record.at > abandoned) continue;
      await auditLog.append(buildEnd(at, record, "call.unknown", "CALL_OUTCOME_UNKNOWN"));
    }
  }

  return {
    closeOwn: () => store.alone(() => close(options.running().filter((hub) => hub !== self))),
    closeLater() {
      clearTimeout(timer);
      timer = setTimeout(() => {
        store.alone(() => close([...options.running(), self])).catch(report);
      }, ABANDONED_AFTER_MS);
      timer.unref();
    },
    closeUnsent({ record }) {
      if (record.event !== "call.request") return;
      const end = buildEnd(now(), record, "call.response", "AUDIT_UNAVAILABLE");
      auditLog.appendSoon(end).catch(report);
    },
    stop: () => clearTimeout(timer),
  };
}

function buildEnd(
  at: Date,
  { callId, principal, agent, probe, packDigest, detail }: AuditRecord,
  event: AuditRecord["event"],
  code: ErrorCode,
): AuditRecord {
  const { person, client } = detail;
  return buildAuditRecord(at, event, {
    ...{ callId, principal, agent, probe, packDigest, status: "failure", code },
    detail: { ...(person !== undefined && { person }), ...(client !== undefined && { client }) },
  });
}
