/**
 * The smallest value within which so many percent stay (nearest rank); null for none.
 *
 * @param sorted from the smallest on
 */
export function percentileOf(sorted: readonly number[], percent: number): number | null {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? null;
}
