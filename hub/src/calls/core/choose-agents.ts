import { SondeError } from "@sonde/schemas/errors";
import { selects, type Tagged } from "@sonde/schemas/tags";
import type { Directory, KnownAgent } from "../../directory/index.ts";
import { maySeeAgent, type Principal } from "../../identity/index.ts";

type Agents = readonly Tagged[];

/** How many agents or tags an error names. */
const MAX_NAMED = 20;
const MAX_QUOTED = 100;
/** Characters of a name that are compared. No agent's name has more. */
const MAX_COMPARED = 63;
/** Marks a tag where a client names agents: `#role=web`. */
const TAG_MARK = "#";

/** Returns the one agent that a principal may ask; null when it may ask several, or none. */
export function findOnlyAgent(agents: Agents, principal: Principal): string | null {
  let only: string | null = null;
  for (const agent of agents) {
    if (!maySeeAgent(principal, agent)) continue;
    if (only !== null) return null;
    only = agent.name;
  }
  return only;
}

/**
 * Returns the agents that a call is for, each once. A client that may ask one agent only need not
 * name it. A tag stands for those of its agents that the client may ask.
 *
 * @param named what the client gave: a name, a tag such as `#role=web`, a list of these, or anything
 *   else; undefined or null when it left the agent out
 * @param most how many agents a call may ask
 * @returns "" for what names no agent; what fits no agent stays as it is
 * @throws SondeError PARAMS_INVALID for more agents
 */
export function chooseAgents(
  agents: Agents,
  principal: Principal,
  named: unknown,
  most: number,
): string[] {
  if (named === undefined || named === null) return [findOnlyAgent(agents, principal) ?? ""];
  const selectors: unknown[] = Array.isArray(named) ? named : [named];
  if (selectors.length > most) throw tooMany(most, selectors.length);
  if (selectors.length === 0 || !selectors.every((one) => typeof one === "string")) return [""];
  const chosen = new Set(selectors.flatMap((one) => expand(agents, principal, one)));
  if (chosen.size > most) throw tooMany(most, chosen.size);
  return [...chosen];
}

function expand(agents: Agents, principal: Principal, selector: string): string[] {
  if (!selector.startsWith(TAG_MARK)) return [selector];
  const tag = selector.slice(TAG_MARK.length);
  const found = agents.filter(
    (agent) => tag.includes("=") && selects(tag, agent) && maySeeAgent(principal, agent),
  );
  return found.length === 0 ? [selector] : found.map(({ name }) => name);
}

function tooMany(most: number, got: number): SondeError {
  const sentence = `agent: expected at most ${most} servers in one call, got ${got}; ask in several calls`;
  return new SondeError("PARAMS_INVALID", sentence);
}

/**
 * Returns a chosen agent.
 *
 * @param agent as `chooseAgents` gave it
 * @param named what the client gave
 * @throws SondeError FORBIDDEN, by name and tags only; AGENT_UNKNOWN
 */
export function findAgent(
  directory: Pick<Directory, "agents" | "tagged">,
  principal: Principal,
  agent: string,
  named: unknown,
): KnownAgent {
  if (agent !== "" && !maySeeAgent(principal, directory.tagged(agent))) {
    throw new SondeError("FORBIDDEN", `this key may not ask agent ${quote(agent)}`);
  }
  const agents = directory.agents();
  const found = agents.find(({ name }) => name === agent);
  if (found === undefined) throw agentUnknown(agents, principal, agent === "" ? named : agent);
  return found;
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, MAX_QUOTED));
}

/**
 * The error of a call for an agent or a tag that there is not, with those that its client may ask,
 * the most alike first.
 */
export function agentUnknown(agents: Agents, principal: Principal, named: unknown): SondeError {
  const seen = agents.filter((agent) => maySeeAgent(principal, agent));
  const meant = typeof named === "string" ? named : "";
  const known = meant.startsWith(TAG_MARK)
    ? [...new Set(seen.flatMap(({ tags }) => tags.map((tag) => `${TAG_MARK}${tag}`)))].sort()
    : seen.map(({ name }) => name);
  const names = sortByLikeness(known, meant);
  const first = names.slice(0, MAX_NAMED).join(", ");
  const others = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : "";
  const nothing =
    seen.length === 0 ? "an agent, but you may ask none" : "a name: no agent has a tag";
  const expected = names.length === 0 ? nothing : `one of ${first}${others}`;
  const got = named === undefined ? "none" : JSON.stringify(named).slice(0, MAX_QUOTED);
  return new SondeError("AGENT_UNKNOWN", `agent: expected ${expected}, got ${got}`);
}

function sortByLikeness(names: readonly string[], meant: string): string[] {
  if (meant === "") return [...names];
  return names
    .map((name) => ({ name, distance: countEdits(name, meant.slice(0, MAX_COMPARED)) }))
    .sort((a, b) => a.distance - b.distance)
    .map(({ name }) => name);
}

/** Counts the characters to insert, remove or replace to make one text of the other (Levenshtein). */
function countEdits(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const next = [row];
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1];
      next[column] = Math.min(
        (above[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (above[column - 1] ?? 0) + (isSame ? 0 : 1),
      );
    }
    above = next;
  }
  return above[to.length] ?? 0;
}
