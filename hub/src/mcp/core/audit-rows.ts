import { type ChainEntry, isDropped } from "@sonde/schemas/audit";

/** What proves or measures a call, and no reader of a list asks for. The REST API has it. */
const LEFT_OUT = new Set(["envelope", "agentHead", "policyHash", "hops", "timings", "reads"]);

/**
 * Entries of the audit log as rows of a table. What a record does not have is no member. Those that
 * were dropped are no rows; `describeDropped` says that there were some.
 */
export function writeAuditRows(entries: readonly ChainEntry[]): Record<string, unknown>[] {
  return entries.flatMap((entry) => {
    if (isDropped(entry)) return [];
    const { seq, record } = entry;
    const { packDigest: _, detail, ...known } = record;
    const rest = Object.entries(detail).filter(([name]) => !LEFT_OUT.has(name));
    const row = {
      seq,
      ...known,
      detail: rest.length === 0 ? null : JSON.stringify(Object.fromEntries(rest)),
    };
    return [Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null))];
  });
}

/** Says to a model which of the entries are not in the table; null when all are. */
export function describeDropped(entries: readonly ChainEntry[]): string | null {
  const seqs = entries.filter(isDropped).map(({ seq }) => seq);
  const [first] = seqs;
  if (first === undefined) return null;
  return `${seqs.length} entries from ${first} to ${seqs.at(-1) ?? first} are not here: this hub keeps the content of its log for a limited time, and theirs was dropped. They may have said anything.`;
}
