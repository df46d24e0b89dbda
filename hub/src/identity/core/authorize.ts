import type { ErrorCode } from "@sonde/schemas/errors";
import type { KeyPolicy } from "@sonde/schemas/hub";
import { type Capability, type Digest, isAboveCeiling } from "@sonde/schemas/names";

/** Who is asking, as authenticated: the same whether by API key, OAuth token or browser session. */
export type Principal = {
  subject: {
    /** `key:<id>` as it stands in envelopes and audit. */
    id: string;
    name: string;
  };
  /** What it may do: whatever one of these allows. */
  grants: readonly AccessGrant[];
  /** Of the grants; it stands in the envelope of each call and in its audit record. */
  policyHash: Digest;
};

/** One thing that was allowed to a subject, on this hub. What a host allows a pack is a `GrantFile`. */
export type AccessGrant = {
  role: KeyPolicy["role"];
  agents: KeyPolicy["agents"];
  probes: KeyPolicy["probes"];
  /** The highest level of probe that may be asked. */
  capability: Capability;
};

/** What a route may demand. A route without one of these, or `anybody`, does not start. */
export const ROUTE_RIGHTS = [
  "probe.list",
  "agents.read",
  "agents.manage",
  "tools.approve",
  "tools.read",
  "keys.manage",
  "audit.read",
  "calls.read",
] as const;
export type RouteRight = (typeof ROUTE_RIGHTS)[number];

/** Everything that can be asked of the hub. */
export type Right =
  | { kind: "probe.call"; agent: string; probe: string; capability: Capability }
  | { kind: RouteRight };

export type Decision = { allowed: true } | { allowed: false; code: ErrorCode; reason: string };

const ALLOWED: Decision = { allowed: true };

/** What each role may do, besides the agents and probes that its grant names. */
const ROLES: Record<AccessGrant["role"], ReadonlySet<Right["kind"]>> = {
  operator: new Set<Right["kind"]>(["probe.call", ...ROUTE_RIGHTS]),
  client: new Set<Right["kind"]>(["probe.call", "probe.list", "agents.read"]),
  auditor: new Set<Right["kind"]>(["agents.read", "tools.read", "audit.read", "calls.read"]),
};

/**
 * The one decision about rights: may this subject ask this? Pure; called by MCP and REST alike, for
 * everything, before anything is looked up for the caller.
 *
 * Two others decide about a call besides. Whether there is such a tool, and on which agents, is
 * `Catalog.entries`. Whether a probe runs on a host is for its agent: `checkCall` in
 * `agent/daemon/src/core/run-probe.ts`.
 */
export function authorize({ grants }: Principal, right: Right): Decision {
  let refusal: Decision = refuse(`this key may not do ${right.kind}`);
  for (const grant of grants) {
    const decision = decide(grant, right);
    if (decision.allowed) return decision;
    refusal = decision;
  }
  return refusal;
}

function decide(grant: AccessGrant, right: Right): Decision {
  if (!ROLES[grant.role].has(right.kind)) {
    return refuse(`a key of role ${grant.role} may not do ${right.kind}`);
  }
  if (right.kind !== "probe.call") return ALLOWED;
  if (!names(grant.agents, right.agent)) return refuse(`this key may not ask agent ${right.agent}`);
  if (!names(grant.probes, right.probe)) return refuse(`this key may not ask probe ${right.probe}`);
  if (isAboveCeiling(right.capability, grant.capability)) {
    return refuse(`this key may only ${grant.capability}, the probe is ${right.capability}`);
  }
  return ALLOWED;
}

/** True when the principal's list may show the agent at all. */
export function maySeeAgent({ grants }: Principal, agent: string): boolean {
  return grants.some((grant) => names(grant.agents, agent));
}

/** What an API key's policy grants: clients ask, they never change anything. */
export function grantsOf({ role, agents, probes }: KeyPolicy): AccessGrant[] {
  return [{ role, agents, probes, capability: role === "operator" ? "manage" : "observe" }];
}

function names(allowed: "*" | string[], name: string): boolean {
  return allowed === "*" || allowed.includes(name);
}

function refuse(reason: string): Decision {
  return { allowed: false, code: "FORBIDDEN", reason };
}
