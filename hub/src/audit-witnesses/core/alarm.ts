const DAY_MS = 24 * 3_600_000;

/**
 * Whether the log needs an entry about a witness that has seen another log: at once, and then once a
 * day. The entry itself leads to a checkpoint that the same witness is offered, so a witness that says
 * so each time would otherwise make entries without an end.
 */
export function isAlarmDue(code: string, alarmedAt: Date | null, now: Date): boolean {
  if (code !== "WITNESS_DISAGREES") return false;
  return alarmedAt === null || now.getTime() - alarmedAt.getTime() >= DAY_MS;
}
