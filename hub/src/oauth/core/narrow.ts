import type { AgentSelector, Tagged } from "@sonde/schemas/tags";
import { selects } from "@sonde/schemas/tags";
import type { AccessGrant } from "../../identity/index.ts";
import { capabilityOf, lowerCapability, type ResourceKind } from "./scopes.ts";

/** What a person let a client do: the scopes of its token, for these agents. */
export type Narrowing = { scopes: readonly string[]; agents: AccessGrant["agents"] };

/**
 * What a client may do now: what its person may do now, and of that what the person let it do. Never
 * more than either.
 *
 * @param agents all that there are, for lists that meet in some of them only
 */
export function narrowGrants(
  kind: ResourceKind,
  ofPerson: readonly AccessGrant[],
  { scopes, agents: chosen }: Narrowing,
  agents: readonly Tagged[],
): AccessGrant[] {
  if (kind === "api") return scopes.includes("api.read") ? [...ofPerson] : [];
  const ceiling = capabilityOf(scopes);
  if (ceiling === null) return [];
  return ofPerson.map((grant) => ({
    ...grant,
    // Of the hub's own tools a client has those of a key. An auditor may call no probe.
    role: grant.role === "auditor" ? "auditor" : "client",
    agents: intersect(grant.agents, chosen, agents),
    capability: lowerCapability(grant.capability, ceiling),
  }));
}

/** The agents that both lists choose, as a list. */
function intersect(
  a: AccessGrant["agents"],
  b: AccessGrant["agents"],
  agents: readonly Tagged[],
): AccessGrant["agents"] {
  if (a === "*") return b;
  if (b === "*") return a;
  // A tag of one list and a tag of the other meet in agents that have both.
  return agents.filter((agent) => chooses(a, agent) && chooses(b, agent)).map(({ name }) => name);
}

function chooses(selectors: readonly AgentSelector[], agent: Tagged): boolean {
  return selectors.some((selector) => selects(selector, agent));
}
