import type { AuditEntry, DroppedPart } from "@sonde/schemas/audit";
import type { FoundPart } from "../../audit/index.ts";

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

/**
 * Says to a model what a search looked at, what is missing of it, and how to go on, so that a table
 * without rows is never taken for a log without entries.
 *
 * @param isOldestFirst whether the search went on from an entry to later ones
 */
export function describeFound(
  { entries, searched, dropped, rest }: FoundPart,
  isOldestFirst: boolean,
): Record<string, string> {
  const fit = entries.length === 0 ? "none of them fits" : `${entries.length} of them fit`;
  return {
    searched:
      searched === null
        ? "nothing: there is no entry between these yet"
        : `entries ${searched.from} to ${searched.to}; ${fit}`,
    ...(dropped !== null && { dropped: describeDropped(dropped) }),
    ...(rest !== null && {
      more: isOldestFirst
        ? `Entries after ${rest} were not searched: ask again with afterSeq ${rest}.`
        : `Entries before ${rest} were not searched: ask again with beforeSeq ${rest}.`,
    }),
  };
}

function describeDropped({ to, until }: DroppedPart): string {
  return `Content of entries up to ${to}, until ${until}, is not here: this hub keeps the content of its log for a limited time, and theirs was dropped. They may have said anything.`;
}
