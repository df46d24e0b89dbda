import type { AuditEntry } from "@sonde/schemas/audit";

/** What proves or measures a call, and no reader of a list asks for. The REST API has it. */
const LEFT_OUT = new Set(["envelope", "agentHead", "policyHash", "hops", "timings", "reads"]);

/** Entries of the audit log as rows of a table. What a record does not have is no member. */
export function writeAuditRows(entries: readonly AuditEntry[]): Record<string, unknown>[] {
  return entries.map(({ seq, record }) => {
    const { packDigest: _, detail, ...known } = record;
    const rest = Object.entries(detail).filter(([name]) => !LEFT_OUT.has(name));
    const row = {
      seq,
      ...known,
      detail: rest.length === 0 ? null : JSON.stringify(Object.fromEntries(rest)),
    };
    return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
  });
}
