import type { AuditEntry, DroppedEntry, DroppedPart } from "@sonde/schemas/audit";
import { formatTable } from "../table.ts";

const HEAD = ["SEQ", "AT", "EVENT", "STATUS", "WHO", "AGENT", "WHAT"];

/** A table of entries for a person, in their order. */
export function describeEntries(entries: readonly AuditEntry[]): string {
  return formatTable(HEAD, entries.map(toCells));
}

/** One entry as one line, for a list that grows. */
export function describeLine(entry: AuditEntry): string {
  return toCells(entry)
    .filter((cell) => cell !== "-")
    .join("  ");
}

/** An entry with everything that it says. */
export function describeWhole({ seq, previous, hash, record }: AuditEntry): string {
  const { detail, ...said } = record;
  const rows = [
    ...Object.entries(said).filter(([, value]) => value !== null),
    ...Object.entries(detail),
    ...Object.entries({ previous, hash }),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `  ${name.padEnd(width)}  ${indent(value, width + 4)}`);
  return [`Entry ${seq}`, ...lines].join("\n");
}

/** An entry of which only hashes are left. */
export function describeGone({ seq, previous, hash }: DroppedEntry): string {
  const rows = Object.entries({ previous, hash }).map(
    ([name, value]) => `  ${name.padEnd(8)}  ${value}`,
  );
  return [`Entry ${seq}: its content was dropped, as the hub's retention says.`, ...rows].join(
    "\n",
  );
}

/** What an answer lacks, in a sentence. */
export function describeMissing({ to, until }: DroppedPart): string {
  return `Entries up to ${to}, until ${until}, are not all here: the hub's retention dropped their content. They may have fitted too.`;
}

function indent(value: unknown, by: number): string {
  if (typeof value === "string") return value;
  return JSON.stringify(value, null, 2).replaceAll("\n", `\n${" ".repeat(by)}`);
}

function toCells({ seq, record }: AuditEntry): string[] {
  const { at, event, principal, agent, probe, status, code, detail } = record;
  const { tool } = detail;
  const what = probe ?? (typeof tool === "string" ? tool : "-");
  return [
    ...[String(seq), at, event, code === null ? status : `${status} ${code}`],
    ...[principal ?? "-", agent ?? "-", what],
  ];
}
