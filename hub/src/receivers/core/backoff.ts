const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;
/** A receiver may ask for more time than that, and no more than this. */
const LONGEST_ASKED_MS = 300_000;

/**
 * How long to wait after a failure: exponential, with full jitter, so that what failed together does
 * not come back together.
 *
 * @param failures in a row, at least one
 * @param askedMs how long the receiver asked to wait; 0 when it did not
 * @param random of at least 0 and below 1
 */
export function chooseDelay(failures: number, askedMs: number, random: number): number {
  const most = Math.min(FIRST_MS * 2 ** Math.min(failures - 1, 10), LONGEST_MS);
  return Math.max(random * most, Math.min(askedMs, LONGEST_ASKED_MS));
}
