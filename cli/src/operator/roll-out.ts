import { setTimeout as sleep } from "node:timers/promises";
import type { AgentDetail } from "@sonde/schemas/hub";
import type { PackReport } from "@sonde/schemas/wire";

/** How long agents may take to fetch and verify a version. */
const SETTLE_MS = 120_000;
const LOOK_EVERY_MS = 500;
/** Once a version is in one of these states, its agent has decided. */
const WELL = new Set(["active", "pending"]);
const ILL = new Set(["failed", "held", "quarantined", "revoked"]);

/** The agent at which a roll-out stopped. */
export type Stopped = {
  agent: string;
  version: string;
  /** The state of the version there; null when the agent said nothing of it in time. */
  state: string | null;
  reason: PackReport["reason"];
};

/** What a roll-out needs to know of an agent. */
export type Seen = Pick<AgentDetail, "name" | "online" | "desired" | "packs">;
type Hub = { listAgents(): Promise<Seen[]> };

export type RollOut<Agent> = {
  done: Agent[];
  stopped: Stopped | null;
  /** Agents that were not changed. */
  left: string[];
};

/**
 * Gives a version to a few agents at a time, and goes on once each of them has verified it. Stops at
 * the first one that refuses it or says nothing. Agents that are offline come last and are not
 * waited for, since nobody knows when they come back.
 *
 * @param assign gives the version to one agent
 * @param atOnce how many
 */
export async function rollOut<Agent extends Seen>(
  client: Hub,
  agents: readonly string[],
  pack: string,
  assign: (agent: string) => Promise<Agent>,
  atOnce: number,
): Promise<RollOut<Agent>> {
  const known = await client.listAgents();
  const isOnline = (name: string) => known.some((one) => one.name === name && one.online);
  const left = [...agents.filter(isOnline), ...agents.filter((name) => !isOnline(name))];
  const done: Agent[] = [];
  while (left.length > 0) {
    const given: Agent[] = [];
    for (const name of left.splice(0, atOnce)) given.push(await assign(name));
    done.push(...given);
    const stopped = await settle(
      client,
      given.filter(({ name }) => isOnline(name)),
      pack,
    );
    if (stopped !== null) return { done, stopped, left };
  }
  return { done, stopped: null, left };
}

/** @returns the first agent that does not take the version; null when all do */
async function settle(client: Hub, given: readonly Seen[], pack: string): Promise<Stopped | null> {
  const deadline = performance.now() + SETTLE_MS;
  let waiting = [...given];
  while (waiting.length > 0) {
    const now = await client.listAgents();
    const undecided: Seen[] = [];
    for (const agent of waiting) {
      const version = agent.desired.find(({ name }) => name === pack)?.version ?? "";
      const report = now
        .find(({ name }) => name === agent.name)
        ?.packs.find((one) => one.name === pack && one.version === version);
      const { state = null, reason = null } = report ?? {};
      const isLate = performance.now() > deadline;
      if (state !== null && WELL.has(state)) continue;
      if (isLate || (state !== null && ILL.has(state))) {
        return { agent: agent.name, version, state, reason };
      }
      undecided.push(agent);
    }
    waiting = undecided;
    if (waiting.length > 0) await sleep(LOOK_EVERY_MS);
  }
  return null;
}

/** @param left agents that were not changed */
export function describeStopped(
  { agent, version, state, reason }: Stopped,
  left: readonly string[],
): string {
  const why = reason === null ? "" : `: ${reason.code}: ${reason.message}`;
  const what =
    state === null
      ? `said nothing of ${version} in ${SETTLE_MS / 1000} s`
      : `${version} is ${state}${why}`;
  return `Stopped at ${agent}: ${what}.\nNot changed: ${left.join(", ") || "nobody, it was the last"}.`;
}
