import type { StatedProcess } from "@sonde/schemas/wire";

/**
 * True for a runner with no right but those that the hub's own orders explain: an ordinary user
 * without capabilities and without a way to gain any, in no group, or in exactly the groups that an
 * ordered pack needs.
 *
 * @param shared the agent's own groups, which its runner has too where they are one user
 */
export function isPlainRunner(
  { role, groupNames, rights }: StatedProcess,
  shared: readonly string[],
  orderedGroups: readonly (readonly string[])[],
): boolean {
  if (role !== "runner") return false;
  const ids = [...rights.uids, ...rights.gids, ...rights.groups];
  if (ids.length === 0 || ids.includes(0) || !rights.noNewPrivs) return false;
  const { effective, permitted, ambient, inheritable } = rights.capabilities;
  if (![effective, permitted, ambient, inheritable].every((set) => /^0+$/.test(set))) return false;
  const extra = groupNames.filter((name) => !shared.includes(name));
  return extra.length === 0 || orderedGroups.some((needed) => isSameSet(needed, extra));
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}
