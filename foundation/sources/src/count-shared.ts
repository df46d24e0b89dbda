/**
 * Counts the items that two lists share in the same order (their longest common subsequence).
 *
 * @param isAlike compares an item of the first with one of the second, by their indexes
 */
export function countShared(
  first: number,
  second: number,
  isAlike: (a: number, b: number) => boolean,
): number {
  // shared[b]: as many as the first list so far shares with the first `b` of the second.
  let shared = Array<number>(second + 1).fill(0);
  for (let a = 0; a < first; a += 1) {
    const next = [0];
    for (let b = 0; b < second; b += 1) {
      const same = isAlike(a, b) ? (shared[b] ?? 0) + 1 : 0;
      next.push(Math.max(same, shared[b + 1] ?? 0, next[b] ?? 0));
    }
    shared = next;
  }
  return shared.at(-1) ?? 0;
}
