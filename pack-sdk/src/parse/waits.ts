/**
 * Finds who holds up others in the end.
 *
 * @param blockers for each session that waits, those that it waits for
 * @returns for each session that waits for nobody: all that wait for it, or for one that does
 */
export function countHeldUp(
  blockers: ReadonlyMap<number, readonly number[]>,
): Map<number, Set<number>> {
  const heldUp = new Map<number, Set<number>>();
  for (const waiter of blockers.keys()) {
    const seen = new Set([waiter]);
    for (const session of seen) {
      const above = blockers.get(session);
      if (above !== undefined) for (const one of above) seen.add(one);
      else heldUp.set(session, (heldUp.get(session) ?? new Set<number>()).add(waiter));
    }
  }
  return heldUp;
}

/** The longest of the waits whose time is known; null when none is. */
export function longestOf(waiting: readonly { waitSeconds: number | null }[]): number | null {
  const known = waiting.flatMap(({ waitSeconds }) => (waitSeconds === null ? [] : [waitSeconds]));
  return known.length === 0 ? null : Math.max(...known);
}
