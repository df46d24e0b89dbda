import type { DroppedEntries } from "@sonde/schemas/audit";
import { buildAuditRecord } from "@sonde/schemas/audit";
import { toSondeError } from "@sonde/schemas/errors";
import type { AuditLog } from "../core/audit-log.ts";
import { type AuditArchive, dropEntries } from "../core/drop-entries.ts";
import type { Log } from "./log.ts";
import type { AuditSegments } from "./store/audit-segments.ts";

export type KeptAudit = {
  audit: AuditLog;
  archive: AuditArchive;
  segments: Pick<AuditSegments, "onSegment">;
  agentName: string;
  /** Unix time in ms; null while it is not certain. */
  confirmedNow: () => number | null;
  log: Log;
};

const CHECK_MS = 60 * 60_000;

/**
 * Drops what the audit log no longer keeps: now, each hour, and when a segment begins.
 *
 * @returns a function that stops it
 */
export function keepAudit(kept: KeptAudit): () => void {
  let checking = false;
  const check = async (): Promise<void> => {
    if (checking) return;
    checking = true;
    try {
      const { audit, archive, confirmedNow, log } = kept;
      const dropped = await dropEntries(audit, archive, confirmedNow(), (detail) =>
        describe(kept.agentName, detail),
      );
      if (dropped === null) return;
      const { head, because, bytes } = dropped;
      log("audit.dropped", { upTo: head.size, hash: head.hash, because, bytes });
    } catch (thrown) {
      const { code, message } = toSondeError(thrown);
      kept.log("audit.not-dropped", { code, message });
    } finally {
      checking = false;
    }
  };
  // A segment begins in the middle of a write.
  kept.segments.onSegment(() => setImmediate(() => void check()));
  const timer = setInterval(() => void check(), CHECK_MS);
  void check();
  return () => clearInterval(timer);
}

function describe(agent: string, detail: DroppedEntries) {
  return buildAuditRecord(new Date(), "log.dropped", { agent, detail });
}
