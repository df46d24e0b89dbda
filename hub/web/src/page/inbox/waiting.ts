import type { AgentDetail, ToolPinList } from "@sonde/schemas/hub";
import { WAITING } from "../agent-state.tsx";

/** What waits for a person on the hosts. */
export type Waits = {
  /** Statements with differences to review. */
  drift: readonly AgentDetail[];
  /** First statements that nobody approved. */
  first: readonly AgentDetail[];
  /** Hosts that answer nothing until somebody releases them. */
  held: readonly AgentDetail[];
  /** Packs that a person on the host allows, each with the hosts where it waits. */
  packs: readonly { name: string; version: string; digest: string | null; agents: AgentDetail[] }[];
};

/** Lists what waits, from what is known of the agents. */
export function listWaits(agents: readonly AgentDetail[]): Waits {
  const packs = new Map<string, Waits["packs"][number]>();
  for (const agent of agents) {
    for (const { name, version, digest, state } of agent.packs) {
      if (!WAITING.has(state)) continue;
      const key = `${name} ${digest ?? version}`;
      const known = packs.get(key) ?? { name, version, digest, agents: [] };
      known.agents.push(agent);
      packs.set(key, known);
    }
  }
  return {
    drift: agents.filter(({ attestation }) => attestation.state === "review"),
    first: agents.filter(({ attestation }) => attestation.state === "unapproved"),
    held: agents.filter(({ holds }) => holds.length > 0),
    packs: [...packs.values()],
  };
}

/** Held words by the archive that has them: all of one archive are approved together. */
export function groupHeld(held: ToolPinList["held"]): [string, string[]][] {
  const groups = Map.groupBy(held, ({ packDigest }) => packDigest);
  return [...groups].map(([digest, words]) => [digest, words.map(({ probe }) => probe)]);
}
