const MINUTE_MS = 60_000;
/** Mistakes that cost nothing. */
const FREE = 5;
const LONGEST_MS = 60 * MINUTE_MS;

/**
 * How long after the last mistake an unknown browser has to wait, in ms: a minute after the fifth
 * one, twice as long after each further one, an hour at the most. A right sign-in resets it. The
 * thousandth guess thus comes after forty days (NIST SP 800-63B, 3.2.2).
 *
 * @param failures since the last right sign-in
 */
export function waitAfter(failures: number): number {
  if (failures < FREE) return 0;
  return Math.min(LONGEST_MS, MINUTE_MS * 2 ** (failures - FREE));
}

/** Whether an unknown browser may guess now. */
export function mayGuess(
  { failures, failedAt }: { failures: number; failedAt: Date | null },
  now: Date,
): boolean {
  return failedAt === null || now.getTime() >= failedAt.getTime() + waitAfter(failures);
}
