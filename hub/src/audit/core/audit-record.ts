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

/** Builds a record of `event` at `now`. Members that are not in `known` are null. */
export function buildAuditRecord(
  now: Date,
  event: AuditRecord["event"],
  known: Partial<Omit<AuditRecord, "at" | "event">>,
): AuditRecord {
  return { at: now.toISOString(), event, ...BLANK, ...known };
}
