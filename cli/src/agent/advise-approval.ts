/**
 * What a person types to approve a pack, and where.
 *
 * @param own the agent that `npm start` runs on this machine, whose commands are `sonde agent`; every
 *   other one is from a package, whose program is `sonde-agent`
 */
export function adviseApproval(
  agent: string,
  pack: string,
  own: string | undefined,
  { data }: { data?: string },
): string {
  if (agent !== own) return `on ${agent}: sonde-agent approve ${pack}`;
  return `sonde agent approve ${pack}${data === undefined ? "" : ` --data ${data}`}`;
}
