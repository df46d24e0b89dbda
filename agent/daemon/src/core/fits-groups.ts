/**
 * True when a runner may work for a pack that was granted the groups `needed`. The runner
 * must be in all of these groups and in no other: an extra group is a right that nobody
 * approved.
 *
 * @param shared groups of every process here; they give no extra right and are ignored
 */
export function fitsGroups(
  has: readonly string[],
  needed: readonly string[],
  shared: readonly string[],
): boolean {
  return (
    needed.every((group) => has.includes(group)) &&
    has.every((group) => needed.includes(group) || shared.includes(group))
  );
}
