import type { AuditRecord } from "@sonde/schemas/audit";

const BLANK = {
  callId: null,
  principal: null,
  agent: null,
  probe: null,
  packDigest: null,
  status: "info" as const,
  code: null,
  durationMs: null,
  detail: {},
};

/** A record of `event` now, with what is known of it; the rest stays null. */
export function buildAuditRecord(
  now: Date,
  event: AuditRecord["event"],
  known: Partial<Omit<AuditRecord, "at" | "event">>,
): AuditRecord {
  return { at: now.toISOString(), event, ...BLANK, ...known };
}
