import { SondeError } from "@sonde/schemas/errors";
import { EMPTY_HEAD } from "@sonde/trust/chain";
import { type AuditLog, buildClosedAuditLog, createAuditLog } from "../core/audit-log.ts";
import { keepAudit } from "./keep-audit.ts";
import type { Log } from "./log.ts";
import type { AgentConfig } from "./read-config.ts";
import { openAuditSegments } from "./store/audit-segments.ts";
import { type KeepLimits, dropSegments, findOutdated } from "./store/drop-segments.ts";

type AuditLimits = NonNullable<AgentConfig["audit"]>;

export type OpenedAudit = {
  audit: AuditLog;
  /** What was there; null when the log is broken and takes no entry. */
  found: { size: number; trimmedBytes: number } | null;
  /**
   * Drops what is no longer kept, until the log is closed.
   *
   * @param confirmedNow Unix time in ms; null while it is not certain
   */
  keep(agentName: string, confirmedNow: () => number | null): void;
  /** How much is kept from the next check on. */
  setLimits(limits: AuditLimits): void;
  close(): Promise<void>;
};

const SEGMENT_BYTES = 4 * 1024 * 1024;
/** How much of the audit log is kept when the configuration says nothing. */
const KEEP_DAYS = 400;
const KEEP_BYTES = 1024 * 1024 * 1024;
const DAY_MS = 24 * 60 * 60_000;
/** A segment is dropped as a whole. So one of a quiet host spans a tenth of what is kept. */
const SEGMENTS_OF_KEPT = 10;

/**
 * Opens the audit log in `folder`. With a broken log the agent still starts, but refuses every call
 * and says why.
 *
 * @throws SondeError STARTING_FAILED when another process writes this log
 */
export function openAudit(folder: string, limits: AuditLimits, log: Log): OpenedAudit {
  try {
    return openWhole(folder, limits, log);
  } catch (thrown) {
    if (!(thrown instanceof SondeError) || thrown.code !== "AUDIT_UNAVAILABLE") throw thrown;
    log("audit.unavailable", { message: thrown.message });
    return {
      audit: buildClosedAuditLog(thrown, EMPTY_HEAD),
      found: null,
      keep: () => undefined,
      setLimits: () => undefined,
      close: () => Promise.resolve(),
    };
  }
}

function openWhole(folder: string, first: AuditLimits, log: Log): OpenedAudit {
  let limits = readLimits(first);
  const segments = openAuditSegments(folder, {
    bytes: SEGMENT_BYTES,
    get ms() {
      return (limits.days * DAY_MS) / SEGMENTS_OF_KEPT;
    },
  });
  const { head, trimmedBytes } = segments;
  const audit = createAuditLog(segments, head, (problem) =>
    problem === null
      ? log("audit.available", {})
      : log("audit.unavailable", { message: problem.message }),
  );
  let stopDropping = (): void => undefined;
  return {
    audit,
    found: { size: head.size, trimmedBytes },
    keep(agentName, confirmedNow) {
      const archive = {
        findOutdated: (now: number | null) => findOutdated(folder, limits, now),
        drop: (upTo: number) => dropSegments(folder, upTo),
      };
      stopDropping = keepAudit({ audit, archive, segments, agentName, confirmedNow, log });
    },
    setLimits(next) {
      limits = readLimits(next);
    },
    async close() {
      stopDropping();
      await segments.close();
    },
  };
}

function readLimits({ keepDays = KEEP_DAYS, maxBytes = KEEP_BYTES }: AuditLimits): KeepLimits {
  return { days: keepDays, bytes: maxBytes };
}
