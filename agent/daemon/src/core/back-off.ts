const FIRST_MS = 200;
const MOST_MS = 20_000;

/**
 * How long to wait before attempt `attempt` (from 0): anywhere between the
 * first delay and a bound that doubles ("full jitter"), so that a fleet whose
 * hub restarts does not come back in step (attack 64).
 *
 * @param random a number from 0 up to 1
 */
export function backOffMs(attempt: number, random: number): number {
  const bound = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt + 1, 20));
  return FIRST_MS + Math.floor(random * (bound - FIRST_MS));
}
