/**
 * Whether a runner may work for a pack that was granted `needed`: it is in all of these groups
 * and in no other, since a group too many is a right that nobody approved.
 *
 * @param shared groups that every process here has, so that they are nobody's privilege
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
