import type { ErrorCode } from "@sonde/schemas/errors";
import type { KeyPolicy } from "@sonde/schemas/hub";
import {
  type Capability,
  type Digest,
  isHigherCapability,
  splitProbeId,
} from "@sonde/schemas/names";
import type { Role } from "@sonde/schemas/policy";
import { selects, type Tagged } from "@sonde/schemas/tags";

/** An authenticated subject, the same for API key, OAuth token and browser session. */
export type Principal = {
  subject: {
    /** `key:<id>`, `person:<id>` or `grant:<id>`, as in envelopes and the audit log. */
    id: string;
    name: string;
  };
  /** The principal may do what any one of these allows. */
  grants: readonly AccessGrant[];
  /** Hash of the grants. The envelope and the audit record of each call carry it. */
  policyHash: Digest;
};

/** One permission of a subject on this hub. A host's permission for a pack is a `GrantFile`. */
export type AccessGrant = {
  role: Role;
  agents: KeyPolicy["agents"];
  probes: KeyPolicy["probes"];
  /** The highest capability that may be called. */
  capability: Capability;
};

/**
 * Rights that a route can demand. A hub with a route that names neither one of these nor `anybody`
 * does not start.
 */
export const ROUTE_RIGHTS = [
  "probe.list",
  "agents.read",
  "agents.manage",
  "drift.read",
  "drift.manage",
  "tools.approve",
  "tools.read",
  "keys.read",
  "keys.manage",
  "people.read",
  "people.manage",
  // To make, change or end an owner. Routes of `people.manage` ask for it when they meet one.
  "owners.manage",
  "oauth.read",
  "oauth.manage",
  "policy.read",
  "policy.manage",
  "audit.read",
  "calls.read",
  // One's own account, sessions and OAuth grants. Only a person has these.
  "self",
] as const;
export type RouteRight = (typeof ROUTE_RIGHTS)[number];

/** Every right that the hub checks. */
export type Right =
  | { kind: "probe.call"; agent: Tagged; probe: string; capability: Capability }
  | { kind: RouteRight };

export type Decision = { allowed: true } | { allowed: false; code: ErrorCode; reason: string };

const ALLOWED: Decision = { allowed: true };
/** How the ids of people begin. */
const PERSON = "person:";

type Rights = readonly Right["kind"][];

/** Sees the agents and tools that its policy names, and nothing else. */
const LISTS: Rights = ["probe.list", "agents.read"];
const READS: Rights = [
  ...LISTS,
  "drift.read",
  "tools.read",
  "keys.read",
  "people.read",
  "oauth.read",
  "policy.read",
  "audit.read",
  "calls.read",
];
const RUNS_FLEET: Rights = ["probe.call", "agents.manage", "drift.manage", "tools.approve"];
const LETS_IN: Rights = ["keys.manage", "people.manage", "oauth.manage", "policy.manage"];

/** Rights of each role. For calls, a grant's agents and probes narrow them further. */
const ROLES: Record<Role, ReadonlySet<Right["kind"]>> = {
  // Everything. Nobody else makes or ends an owner.
  owner: new Set([...READS, ...RUNS_FLEET, ...LETS_IN, "owners.manage", "self"]),
  // Decides who gets in: people, keys, OAuth and policies. Whoever may do that could give
  // themselves the rest, so it has the operator's rights too.
  admin: new Set([...READS, ...RUNS_FLEET, ...LETS_IN, "self"]),
  // Runs the fleet: agents, packs, drift, words of tools, calls. Lets nobody in.
  operator: new Set([
    ...[...LISTS, ...RUNS_FLEET],
    ...["drift.read", "tools.read", "policy.read", "audit.read", "calls.read", "self"],
  ] as Rights),
  // Reads everything and changes nothing. Of tools it has those of the hub's own only: it may call
  // no probe.
  auditor: new Set([...READS, "self"]),
  // Calls within its policy.
  member: new Set([...LISTS, "probe.call", "self"]),
  // A key, or an OAuth client that acts for a person: calls within its policy. It has no account.
  client: new Set([...LISTS, "probe.call"]),
};

/**
 * Decides whether a principal has a right. Pure. MCP and REST call it for every request, before
 * anything about an agent is looked up for the caller.
 *
 * Rights are one check of a call among others. `planCall` in `plan-call.ts` has all of the hub's.
 * `agent/daemon/src/core/run-probe.ts` has the agent's, which decides whether a probe runs on its host.
 */
export function authorize({ subject, grants }: Principal, right: Right): Decision {
  if (right.kind === "self" && !subject.id.startsWith(PERSON)) {
    return refuse("only a person who is signed in has an account");
  }
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
    return refuse(`the role ${grant.role} may not do ${right.kind}`);
  }
  if (right.kind !== "probe.call") return ALLOWED;
  if (!chooses(grant.agents, right.agent)) {
    return refuse(`this key may not ask agent ${right.agent.name}`);
  }
  if (!names(grant.probes, right.probe)) return refuse(`this key may not ask probe ${right.probe}`);
  if (isHigherCapability(right.capability, grant.capability)) {
    return refuse(`this key may only ${grant.capability}, the probe is ${right.capability}`);
  }
  return ALLOWED;
}

/** The principal with the right to observe only. */
export function onlyObserving(principal: Principal): Principal {
  const grants = principal.grants.map((grant) => ({ ...grant, capability: "observe" as const }));
  return { ...principal, grants };
}

/** True when the principal's list may show the agent. */
export function maySeeAgent({ grants }: Principal, agent: Tagged): boolean {
  return grants.some((grant) => chooses(grant.agents, agent));
}

/** True when the principal may ask the agent a probe of that pack. */
export function maySeePack({ grants }: Principal, agent: Tagged, pack: string): boolean {
  return grants.some(
    ({ agents, probes }) =>
      chooses(agents, agent) &&
      (probes === "*" || probes.some((probe) => splitProbeId(probe).pack === pack)),
  );
}

/** True when the principal may ask the agent that probe, if its capability allows it. */
export function maySeeProbe({ grants }: Principal, agent: Tagged, probe: string): boolean {
  return grants.some(({ agents, probes }) => chooses(agents, agent) && names(probes, probe));
}

/**
 * Converts an API key's policy to grants. A key's `operator` is older than the roles of people: it
 * may make keys, and so is an admin. Only it may change anything on a host.
 */
export function grantsOf({ role, agents, probes }: KeyPolicy): AccessGrant[] {
  return role === "operator"
    ? [{ role: "admin", agents, probes, capability: "manage" }]
    : [{ role, agents, probes, capability: "observe" }];
}

function chooses(allowed: AccessGrant["agents"], agent: Tagged): boolean {
  return allowed === "*" || allowed.some((selector) => selects(selector, agent));
}

function names(allowed: "*" | string[], name: string): boolean {
  return allowed === "*" || allowed.includes(name);
}

function refuse(reason: string): Decision {
  return { allowed: false, code: "FORBIDDEN", reason };
}
