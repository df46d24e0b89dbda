import type { ErrorCode } from "@sonde/schemas/errors";
import type { KeyPolicy } from "@sonde/schemas/hub";
import type { Capability, Digest } from "@sonde/schemas/names";

/** Who is asking, after authentication. */
export type Principal = {
  /** `key:<id>` as it stands in envelopes and audit. */
  id: string;
  name: string;
  policy: KeyPolicy;
  policyHash: Digest;
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

/** What each role may do, besides the agents and probes its key names. */
const ROLES: Record<KeyPolicy["role"], ReadonlySet<Right["kind"]>> = {
  operator: new Set<Right["kind"]>([
    "probe.call",
    "probe.list",
    "agents.read",
    "agents.manage",
    "tools.approve",
    "tools.read",
    "keys.manage",
    "audit.read",
    "calls.read",
  ]),
  client: new Set<Right["kind"]>(["probe.call", "probe.list", "agents.read"]),
  auditor: new Set<Right["kind"]>(["agents.read", "tools.read", "audit.read", "calls.read"]),
};

/**
 * The one decision about rights. Pure; called by MCP and REST alike, for
 * everything, before anything is looked up for the caller.
 */
export function authorize(principal: Principal, right: Right): Decision {
  if (!ROLES[principal.policy.role].has(right.kind)) {
    return refuse(`a key of role ${principal.policy.role} may not do ${right.kind}`);
  }
  if (right.kind !== "probe.call") return ALLOWED;
  if (!mayUse(principal.policy.agents, right.agent)) {
    return refuse(`this key may not ask agent ${right.agent}`);
  }
  if (!mayUse(principal.policy.probes, right.probe)) {
    return refuse(`this key may not ask probe ${right.probe}`);
  }
  // Clients ask, they never change anything: higher levels need an operator's key.
  if (right.capability !== "observe" && principal.policy.role !== "operator") {
    return refuse(`this key may only observe, the probe is ${right.capability}`);
  }
  return ALLOWED;
}

/** True when the principal's list may show the agent at all. */
export function maySeeAgent(principal: Principal, agent: string): boolean {
  return mayUse(principal.policy.agents, agent);
}

function mayUse(allowed: "*" | string[], name: string): boolean {
  return allowed === "*" || allowed.includes(name);
}

function refuse(reason: string): Decision {
  return { allowed: false, code: "FORBIDDEN", reason };
}
