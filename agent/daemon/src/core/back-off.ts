const FIRST_MS = 200;
const MOST_MS = 20_000;

/**
 * Exponential back-off with full jitter: returns a random delay in ms between the first
 * delay and a bound that doubles with each attempt. The jitter keeps a fleet from
 * reconnecting at the same moment after its hub restarts (attack 64).
 *
 * @param attempt counted from 0
 * @param random a number in [0, 1)
 */
export function backOffMs(attempt: number, random: number): number {
  const bound = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt + 1, 20));
  return FIRST_MS + Math.floor(random * (bound - FIRST_MS));
}
