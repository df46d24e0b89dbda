import type { AuditEntry } from "@sonde/schemas/audit";
import type { AgentDetail, ChangedKind } from "@sonde/schemas/hub";
import type { Change, KnownAgent } from "../../directory/index.ts";
import { authorize, maySeeAgent, type Principal, type RouteRight } from "../../identity/index.ts";

/** An event as it is sent: its name and its data. */
export type HubEvent =
  | { event: "agent"; data: AgentDetail }
  | { event: "agent-gone"; data: { id: string } }
  | { event: "audit"; data: AuditEntry }
  | { event: "changed"; data: { kind: ChangedKind } };

/** What is told of a changed fact by its kind only, and the right of the route that tells the rest. */
const KINDS = new Map<Change["kind"], { kind: ChangedKind; right: RouteRight }>([
  ["pack", { kind: "tools", right: "tools.read" }],
  ["pin", { kind: "tools", right: "tools.read" }],
  ["api-key", { kind: "keys", right: "keys.read" }],
  ["api-key-made", { kind: "keys", right: "keys.read" }],
  ["person", { kind: "people", right: "people.read" }],
  ["grant", { kind: "clients", right: "oauth.read" }],
  ["client", { kind: "clients", right: "oauth.read" }],
  ["policy", { kind: "policies", right: "policy.read" }],
  ["holder", { kind: "policies", right: "policy.read" }],
]);

export type EventPorts = {
  agentById: (id: string) => KnownAgent | undefined;
  describe: (agent: KnownAgent, principal: Principal) => AgentDetail;
};

/**
 * Chooses what a principal is told of changes: what the routes would answer it now, and no more.
 *
 * @param shown the ids of the agents that it was shown; kept up to date
 */
export function chooseEvents(
  { agentById, describe }: EventPorts,
  principal: Principal,
  shown: Set<string>,
  changes: readonly Change[],
): HubEvent[] {
  const events: HubEvent[] = [];
  const told = new Set<ChangedKind>();
  for (const { kind, id } of changes) {
    if (kind === "agent") {
      const agent = agentById(id);
      if (agent !== undefined && maySee(principal, agent)) {
        shown.add(id);
        events.push({ event: "agent", data: describe(agent, principal) });
      } else if (shown.delete(id)) events.push({ event: "agent-gone", data: { id } });
      continue;
    }
    const known = KINDS.get(kind);
    if (known === undefined || told.has(known.kind) || !may(principal, known.right)) continue;
    told.add(known.kind);
    events.push({ event: "changed", data: { kind: known.kind } });
  }
  return events;
}

/** The entries of the audit log, for a principal that may read the log. */
export function chooseEntries(principal: Principal, entries: readonly AuditEntry[]): HubEvent[] {
  if (!may(principal, "audit.read")) return [];
  return entries.map((data) => ({ event: "audit", data }));
}

export function may(principal: Principal, kind: RouteRight): boolean {
  return authorize(principal, { kind }).allowed;
}

/** True when the list of agents has it for the principal. */
export function maySee(principal: Principal, agent: KnownAgent): boolean {
  return may(principal, "agents.read") && maySeeAgent(principal, agent);
}
