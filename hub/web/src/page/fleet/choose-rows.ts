import type { AgentDetail } from "@sonde/schemas/hub";
import { needsPerson } from "../agent-state.tsx";

/** What the filter of the fleet says, as it is in the page's address. */
export type Filter = { text: string; show: Show; group: string };
export type Show = "all" | "attention" | "online" | "offline";

/** One row: an agent, or the heading of a group of them. */
export type Row =
  | { kind: "agent"; agent: AgentDetail }
  | { kind: "group"; name: string; count: number };

/** The key of each tag, the most frequent first. */
export function listTagKeys(agents: readonly AgentDetail[]): string[] {
  const counts = new Map<string, number>();
  for (const { tags } of agents) {
    for (const tag of tags) {
      const key = tag.slice(0, tag.indexOf("="));
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([key]) => key);
}

/** The agents that fit: each word of the text is in the name, a tag or the system. */
export function chooseAgents(
  agents: readonly AgentDetail[],
  { text, show }: Filter,
): AgentDetail[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  return agents.filter((agent) => {
    if (show === "attention" && !needsPerson(agent)) return false;
    if (show === "online" && !agent.online) return false;
    if (show === "offline" && agent.online) return false;
    if (words.length === 0) return true;
    const said = [agent.name, ...agent.tags, agent.os ?? ""].join(" ").toLowerCase();
    return words.every((word) => said.includes(word));
  });
}

/**
 * Rows of agents, below a heading for each value of a tag when the fleet is grouped by its key. Agents
 * without the tag come last.
 */
export function buildRows(agents: readonly AgentDetail[], group: string): Row[] {
  const rowsOf = (some: readonly AgentDetail[]): Row[] =>
    some.map((agent) => ({ kind: "agent", agent }));
  if (group === "") return rowsOf(agents);
  const groups = Map.groupBy(agents, ({ tags }) => tags.find((tag) => tag.startsWith(`${group}=`)));
  return [...groups]
    .sort(([a = "\uffff"], [b = "\uffff"]) => (a < b ? -1 : 1))
    .flatMap(([name, members]): Row[] => [
      { kind: "group", name: name ?? `without ${group}`, count: members.length },
      ...rowsOf(members),
    ]);
}
