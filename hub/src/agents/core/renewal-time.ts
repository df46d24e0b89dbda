import { AGENT_CERTIFICATE_MS } from "@sonde/schemas/wire";

/** An overdue renewal waits at most this long, so that a fleet's renewals spread over this time. */
const OVERDUE_MS = 10 * 60_000;

/**
 * How long the hub waits before it issues an agent's next certificate, in ms. The moment is when 40
 * to 60 % of the lifetime is over, at random: agents that enrolled together do not renew together.
 * After an outage of the hub many are overdue; they spread over ten minutes, or over a fifth of what
 * is left of the certificate when that is less.
 *
 * @param leftMs what is left of the present certificate
 * @param random a number in [0, 1)
 */
export function renewalDelayMs(leftMs: number, random: number): number {
  const untilDue = leftMs - AGENT_CERTIFICATE_MS * (0.6 - 0.2 * random);
  if (untilDue > 0) return untilDue;
  return Math.max(0, random * Math.min(OVERDUE_MS, leftMs / 5));
}
