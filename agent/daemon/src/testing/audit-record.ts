import type { AuditRecord } from "@sonde/schemas/audit";

export function buildRecord(index: number): AuditRecord {
  return {
    at: "2026-01-01T00:00:00.000Z",
    event: "call.request",
    callId: null,
    principal: "key:test",
    agent: null,
    probe: "system.overview",
    packDigest: null,
    status: "info",
    code: null,
    durationMs: null,
    detail: { index },
  };
}
