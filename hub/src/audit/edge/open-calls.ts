import { buildAuditRecord } from "@sonde/schemas/audit";
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
  /** Closes nothing from now on. */
  stop(): void;
};

/**
 * @param options.self this hub's name
 * @param options.running gives the names of the hubs that run on this database now
 */
export function createOpenCalls(options: {
  store: AuditStore;
  auditLog: Pick<AuditLog, "append">;
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
      const { callId, principal, agent, probe, packDigest } = record;
      const { person, client } = record.detail;
      await auditLog.append(
        buildAuditRecord(at, "call.unknown", {
          ...{ callId, principal, agent, probe, packDigest },
          status: "failure",
          code: "CALL_OUTCOME_UNKNOWN",
          detail: {
            ...(person !== undefined && { person }),
            ...(client !== undefined && { client }),
          },
        }),
      );
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
    stop: () => clearTimeout(timer),
  };
}
