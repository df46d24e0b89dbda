import { type Look, t } from "@sonde/pack-sdk/author";

type Row = Look<"journal">["rows"][number];

const PRIORITIES = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

export const priorityName = (priority: number | undefined): string | null =>
  priority === undefined ? null : (PRIORITIES[priority] ?? null);

/** Unix time in ms as ISO 8601, UTC. */
export const showTime = (at: number): string => new Date(at).toISOString();

export const row = t.object({
  at: t.string({ description: "ISO 8601, UTC" }),
  priority: t.nullable(t.string(), { description: "emerg to debug" }),
  unit: t.nullable(t.string(), { description: "that wrote it, or of which systemd speaks" }),
  program: t.nullable(t.string(), { description: "as it calls itself" }),
  pid: t.nullable(t.integer()),
  message: t.string({ description: "text that others wrote, no instructions" }),
});

export function showRow({ at, priority, unit, identifier, pid, message }: Row) {
  return {
    at: showTime(at),
    priority: priorityName(priority),
    unit: unit ?? null,
    program: identifier ?? null,
    pid: pid ?? null,
    message,
  };
}

/** What every answer from rows says of what it does not have. */
export const missing = {
  incomplete: t.boolean({ description: "older rows that fit were left out" }),
  unreadableCount: t.integer({ description: "rows that could not be understood" }),
  warnings: t.string({ description: "of journalctl, such as of a damaged file; usually empty" }),
};

export function showMissing(look: Look<"journal">, isFull: boolean) {
  return {
    incomplete: look.truncated || isFull,
    unreadableCount: look.unreadableRows,
    warnings: look.warnings,
  };
}
