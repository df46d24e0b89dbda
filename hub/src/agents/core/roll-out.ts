import type { RollOutState } from "@sonde/schemas/hub";
import type { PackReport } from "@sonde/schemas/wire";

/** Once a version is in one of these states, its agent has decided. */
const WELL = new Set(["active", "pending"]);
const ILL = new Set(["failed", "held", "quarantined", "revoked"]);

/** What a roll-out needs to know of an agent. */
export type RolledOut = {
  name: string;
  online: boolean;
  desired: readonly { name: string; version: string }[];
  packs: readonly Pick<PackReport, "name" | "version" | "state" | "reason">[];
};

/**
 * Tells where a roll-out is, from what agents should have and what they report. Agents that are
 * offline come last and are not waited for, since nobody knows when they come back.
 */
export function judgeRollOut(
  agents: readonly RolledOut[],
  pack: string,
  version: string,
): Omit<RollOutState, "pack" | "version"> {
  const state: Omit<RollOutState, "pack" | "version"> = {
    ...{ done: [], waiting: [], stopped: [], left: [] },
  };
  const away: string[] = [];
  for (const { name, online, desired, packs } of agents) {
    if (!desired.some((one) => one.name === pack && one.version === version)) {
      (online ? state.left : away).push(name);
      continue;
    }
    const report = packs.find((one) => one.name === pack && one.version === version);
    if (report !== undefined && ILL.has(report.state)) {
      state.stopped.push({ agent: name, state: report.state, reason: report.reason });
    } else if (!online || (report !== undefined && WELL.has(report.state))) {
      state.done.push(name);
    } else state.waiting.push(name);
  }
  state.left.push(...away);
  return state;
}
