import type { ErrorCode } from "@sonde/schemas/errors";
import { type Capability, type Digest, isHigherCapability } from "@sonde/schemas/names";
import type { PolicyRule, Rate, Role } from "@sonde/schemas/policy";
import type { Tagged } from "@sonde/schemas/tags";
import { type CompiledPolicy, compilePolicy } from "./compile-policy.ts";

/** An authenticated subject, the same for API key, OAuth token and browser session. */
export type Principal = {
  subject: {
    /** `key:<id>`, `person:<id>` or `grant:<id>`, as in envelopes and the audit log. */
    id: string;
    name: string;
    /** `person:<id>`, of the person for whom a `grant:<id>` acts. */
    person?: string;
  };
  /** Of a grant: the highest capability that its person could let it have. */
  reach?: Capability;
  /**
   * The principal may do what each of these allows: a key or a person has one, an OAuth client has
   * its person's and its own. Without any, nothing is allowed.
   */
  grants: readonly AccessGrant[];
  /**
   * The grants as text, and its SHA-256. The envelope and the audit record of each call carry the
   * hash; the text is kept as evidence.
   */
  policyText: string;
  policyHash: Digest;
};

/**
 * What a subject may do on this hub, by its role and its policies. A host's permission for a pack is
 * a `GrantFile`.
 */
export type AccessGrant = {
  /** Whose it is, as `subject.id` has it. Its calls count towards the rates of its policies. */
  holder: string;
  role: Role;
  /** All of them narrow it. */
  policies: readonly CompiledPolicy[];
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
  "inbox.read",
  // Grants on a host, as far as that host lets the hub.
  "packs.approve",
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
  // What of the audit log stays, whatever its retention says.
  "audit.hold",
  "calls.read",
  // Whether the hub and its agents are well, in numbers.
  "metrics.read",
  // One's own account, sessions and OAuth grants. Only a person has these.
  "self",
] as const;
export type RouteRight = (typeof ROUTE_RIGHTS)[number];

/** Every right that the hub checks. */
export type Right =
  | { kind: "probe.call"; agent: Tagged; probe: string; capability: Capability }
  /**
   * To be let in at all. Asked for every request before any other right.
   *
   * `address` is the client's, null when it is unknown; `at` is in ms since 1970.
   */
  | { kind: "enter"; address: string | null; at: number }
  /** `agent` is the one that a route is for; without it the route is for the whole fleet. */
  | { kind: RouteRight; agent?: Tagged };

/** A limit that an allowed call counts towards. */
export type HeldRate = { holder: string; rate: Rate; rule: PolicyRule };

export type Decision =
  | {
      allowed: true;
      /** Of a call; it may be sent only when none of them is used up. */
      rates: readonly HeldRate[];
    }
  | Refusal;
type Refusal = { allowed: false; code: ErrorCode; reason: string; rule: PolicyRule };

const NO_RATES: readonly HeldRate[] = [];
const ALLOWED: Decision = { allowed: true, rates: NO_RATES };

/** How the ids of people begin. */
const PERSON = "person:";

type Rights = readonly Right["kind"][];

/** Sees the agents and tools that its policy names, and nothing else. */
const LISTS: Rights = ["probe.list", "agents.read"];
const READS: Rights = [
  ...LISTS,
  "inbox.read",
  "drift.read",
  "tools.read",
  "keys.read",
  "people.read",
  "oauth.read",
  "policy.read",
  "audit.read",
  "calls.read",
  "metrics.read",
];
const RUNS_FLEET: Rights = [
  ...(["probe.call", "agents.manage", "drift.manage"] as const),
  ...(["packs.approve", "tools.approve"] as const),
];
/** Who may end a hold may have the record of what they did dropped, so it is nothing of the fleet. */
const HOLDS: Rights = ["audit.hold"];
const LETS_IN: Rights = ["keys.manage", "people.manage", "oauth.manage", "policy.manage"];

/** Rights of each role. The policies of a grant narrow them further. Everybody may enter. */
const ROLES: Record<Role, ReadonlySet<Right["kind"]>> = {
  // Everything. Nobody else makes or ends an owner.
  owner: new Set([...READS, ...RUNS_FLEET, ...HOLDS, ...LETS_IN, "owners.manage", "self"]),
  // Decides who gets in: people, keys, OAuth and policies. Whoever may do that could give
  // themselves the rest, so it has the operator's rights too.
  admin: new Set([...READS, ...RUNS_FLEET, ...HOLDS, ...LETS_IN, "self"]),
  // Runs the fleet: agents, packs, drift, words of tools, calls. Lets nobody in.
  operator: new Set([
    ...[...LISTS, ...RUNS_FLEET],
    ...[
      "inbox.read",
      "drift.read",
      "tools.read",
      "policy.read",
      "audit.read",
      "calls.read",
      "metrics.read",
      "self",
    ],
  ] as Rights),
  // Reads everything and changes nothing. Of tools it has those of the hub's own only: it may call
  // no probe.
  auditor: new Set([...READS, "self"]),
  // Calls within its policy.
  member: new Set([...LISTS, "probe.call", "self"]),
  // A key, or an OAuth client that acts for a person: calls within its policy. It has no account.
  client: new Set([...LISTS, "probe.call"]),
  // A key for what scrapes: it is in the configuration of another machine, and lists not even agents.
  metrics: new Set(["metrics.read"]),
};

/** The roles that have a right. */
export function rolesFor(right: string): Role[] {
  return (Object.keys(ROLES) as Role[]).filter((role) =>
    [...ROLES[role]].some((known) => known === right),
  );
}

/** Whose calls may change something, unless a policy says how high they go. */
const MAY_MANAGE: ReadonlySet<Role> = new Set(["owner", "admin", "operator"]);

/** Rights that show no more than the policy's agents, and such that have nothing to do with agents. */
const NOT_OF_FLEET: ReadonlySet<Right["kind"]> = new Set([...LISTS, "self"]);

/**
 * Decides whether a principal has a right, and by which rule. Pure. MCP and REST call it for every
 * request, before anything about an agent is looked up for the caller; `POST /policy/test` calls it
 * to say what it would decide.
 *
 * A policy that leaves agents out narrows every right: a route for one agent needs that agent, and a
 * route for the whole fleet is refused, unless it only lists.
 *
 * Rights are one check of a call among others. `planCall` in `plan-call.ts` has all of the hub's.
 * `agent/daemon/src/core/run-probe.ts` has the agent's, which decides whether a probe runs on its host.
 *
 * @param trace takes every rule that is looked at, in order
 */
export function authorize(
  { subject, grants }: Principal,
  right: Right,
  trace: PolicyRule[] | null = null,
): Decision {
  if (right.kind === "self" && !subject.id.startsWith(PERSON)) {
    const rule = { policy: "every role", line: "self" };
    return refuse("only a person who is signed in has an account", rule);
  }
  for (const grant of grants) {
    const refusal = judge(grant, right, trace);
    if (refusal !== null) return refusal;
  }
  if (grants.length > 0) return right.kind === "probe.call" ? withRates(grants) : ALLOWED;
  return refuse(`you may not do ${right.kind}`, { policy: "none", line: "no grant" });
}

/** Null when the grant allows it. */
function judge(grant: AccessGrant, right: Right, trace: PolicyRule[] | null): Refusal | null {
  const { role, policies } = grant;
  if (right.kind === "enter") return judgeEntry(policies, right, trace);
  if (!ROLES[role].has(right.kind)) {
    const rule = { policy: `role ${role}`, line: right.kind };
    return refuse(`the role ${role} may not do ${right.kind}`, rule);
  }
  trace?.push({ policy: `role ${role}`, line: right.kind });
  for (const policy of policies) {
    const refusal = judgeAgent(policy, right, trace);
    if (refusal !== null) return refusal;
  }
  if (right.kind !== "probe.call") return null;
  for (const policy of policies) {
    const verdict = policy.tools(right.probe);
    trace?.push(verdict.rule);
    if (!verdict.allowed) return refuse(`you may not ask probe ${right.probe}`, verdict.rule);
  }
  return judgeCapability(grant, right.capability, trace);
}

function judgeEntry(
  policies: readonly CompiledPolicy[],
  { address, at }: Extract<Right, { kind: "enter" }>,
  trace: PolicyRule[] | null,
): Refusal | null {
  for (const policy of policies) {
    const expiry = policy.expiry(at);
    trace?.push(expiry.rule);
    if (!expiry.allowed) {
      const reason = "expected access that has not ended, got one that has";
      return refuse(reason, expiry.rule, "ACCESS_ENDED");
    }
    const from = policy.addresses(address);
    trace?.push(from.rule);
    if (!from.allowed) {
      const reason = `expected an address of the policy, got ${address ?? "none"}`;
      return refuse(reason, from.rule, "ADDRESS_REFUSED");
    }
  }
  return null;
}

function judgeAgent(
  policy: CompiledPolicy,
  right: Exclude<Right, { kind: "enter" }>,
  trace: PolicyRule[] | null,
): Refusal | null {
  if (right.agent !== undefined) {
    const { allowed, rule } = policy.agents(right.agent);
    trace?.push(rule);
    return allowed ? null : refuse(`you may not ask agent ${right.agent.name}`, rule);
  }
  if (policy.isForAllAgents || NOT_OF_FLEET.has(right.kind)) return null;
  const rule = { policy: policy.name, line: "agents: not all" };
  const reason = `${right.kind} is for the whole fleet here, and your policy is for some agents`;
  return refuse(reason, rule);
}

/** A call must exceed no level that a policy states, or else the one of the role. */
function judgeCapability(
  { role, policies }: AccessGrant,
  asked: Capability,
  trace: PolicyRule[] | null,
): Refusal | null {
  let isStated = false;
  for (const { capability } of policies) {
    if (capability === null) continue;
    isStated = true;
    trace?.push(capability.rule);
    if (isHigherCapability(asked, capability.level)) return tooHigh(asked, capability);
  }
  if (isStated) return null;
  const level: Capability = MAY_MANAGE.has(role) ? "manage" : "observe";
  const rule = { policy: `role ${role}`, line: `capability ${level}` };
  trace?.push(rule);
  return isHigherCapability(asked, level) ? tooHigh(asked, { level, rule }) : null;
}

/** The highest capability of a call that the principal may make, on whatever agent. */
export function highestCapability({ grants }: Principal): Capability {
  const levels = ["manage", "interact"] as const;
  const may = (level: Capability) =>
    grants.length > 0 && grants.every((grant) => judgeCapability(grant, level, null) === null);
  return levels.find(may) ?? "observe";
}

function tooHigh(
  asked: Capability,
  { level, rule }: { level: Capability; rule: PolicyRule },
): Refusal {
  return refuse(`you may only ${level}, the probe is ${asked}`, rule);
}

function withRates(grants: readonly AccessGrant[]): Decision {
  let rates: HeldRate[] | null = null;
  for (const { holder, policies } of grants) {
    for (const { rate } of policies) {
      if (rate !== null) (rates ??= []).push({ holder, ...rate });
    }
  }
  return rates === null ? ALLOWED : { allowed: true, rates };
}

/** The principal with the right to observe only. */
export function onlyObserving(principal: Principal): Principal {
  const { subject, policyText, policyHash } = principal;
  const grants = principal.grants.map(({ policies, ...grant }) => ({
    ...grant,
    policies: [...policies, OBSERVING],
  }));
  return { subject, policyText, policyHash, grants };
}

const OBSERVING = compilePolicy("of this tool", { capability: "observe" });

/**
 * The principal as it is now. Policies of one that was authenticated may change while it asks; what
 * is decided and recorded of one call is by the same.
 */
export function asOfNow({ subject, grants, policyText, policyHash }: Principal): Principal {
  return { subject, grants, policyText, policyHash };
}

/** True when the time of one of its policies is over. */
export function hasEnded({ grants }: Principal, now: Date): boolean {
  return grants.some(({ policies }) =>
    policies.some((policy) => !policy.expiry(now.getTime()).allowed),
  );
}

/** True when the principal's list may show the agent. */
export function maySeeAgent({ grants }: Principal, agent: Tagged): boolean {
  return (
    grants.length > 0 &&
    grants.every(({ policies }) => policies.every((policy) => policy.agents(agent).allowed))
  );
}

/** True when the principal may ask the agent a probe of that pack. */
export function maySeePack(principal: Principal, agent: Tagged, pack: string): boolean {
  return (
    maySeeAgent(principal, agent) &&
    principal.grants.every(({ policies }) => policies.every((policy) => policy.mayMeet(pack)))
  );
}

/** True when the principal may ask the agent that probe, if its capability allows it. */
export function maySeeProbe(principal: Principal, agent: Tagged, probe: string): boolean {
  return (
    maySeeAgent(principal, agent) &&
    principal.grants.every(({ policies }) =>
      policies.every((policy) => policy.tools(probe).allowed),
    )
  );
}

function refuse(reason: string, rule: PolicyRule, code: ErrorCode = "FORBIDDEN"): Refusal {
  return { allowed: false, code, reason, rule };
}
