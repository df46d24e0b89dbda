import { type Capability, splitProbeId } from "@sonde/schemas/names";
import {
  type Policy,
  type PolicyRule,
  parsePolicy,
  type Rate,
  type ToolGlob,
} from "@sonde/schemas/policy";
import { selects, type Tagged } from "@sonde/schemas/tags";
import { compileRanges } from "@sonde/service";
import { compileGlob } from "./tool-glob.ts";

/** Verdicts that are kept for each policy. Probes come from catalogs, so there are few. */
const MAX_KEPT = 5_000;

/** What a policy says, and the rule that says it. */
export type Verdict = { allowed: boolean; rule: PolicyRule };

/** A policy whose rules were read once. Verdicts on agents and probes are kept. */
export type CompiledPolicy = {
  name: string;
  document: Policy;
  /** False when it leaves some agents out, whichever there are. */
  isForAllAgents: boolean;
  agents(agent: Tagged): Verdict;
  /** By the rules for tools, then by those for packs. */
  tools(probe: string): Verdict;
  /** True when there may be a probe of the pack, as `publisher/pack`, that may be asked. */
  mayMeet(pack: string): boolean;
  /** Null when the policy does not say. */
  capability: { level: Capability; rule: PolicyRule } | null;
  rate: { rate: Rate; rule: PolicyRule } | null;
  addresses(address: string | null): Verdict;
  /** @param at in ms since 1970 */
  expiry(at: number): Verdict;
};

/**
 * Compiles a policy.
 *
 * @param name of the policy in its rules
 * @throws SondeError BAD_REQUEST for a policy that this release does not understand
 */
export function compilePolicy(name: string, policy: Policy): CompiledPolicy {
  const document = parsePolicy(policy);
  const rule = (line: string): PolicyRule => ({ policy: name, line });
  const { agents, capability, rate, addresses, expiresAt } = document;
  const inRange = addresses === undefined ? null : compileRanges(addresses);
  const endsAt = expiresAt === undefined ? Infinity : Date.parse(expiresAt);
  const tools = compileTools(name, document);
  const byAgent = new WeakMap<Tagged, Verdict>();
  const judgeAgent = compileRules<Tagged>(name, "agents", agents, (selector) => (agent) => {
    return selects(selector, agent);
  });
  return {
    ...{ name, document },
    isForAllAgents:
      (agents?.allow === undefined || agents.allow === "*") && (agents?.deny ?? []).length === 0,
    agents(agent) {
      const known = byAgent.get(agent);
      if (known !== undefined) return known;
      const verdict = judgeAgent(agent);
      byAgent.set(agent, verdict);
      return verdict;
    },
    ...tools,
    capability:
      capability === undefined
        ? null
        : { level: capability, rule: rule(`capability ${capability}`) },
    rate:
      rate === undefined
        ? null
        : { rate, rule: rule(`rate ${rate.perMinute} a minute, ${rate.burst} at once`) },
    addresses(address) {
      if (inRange === null) return { allowed: true, rule: rule("addresses: any") };
      const index = address === null ? -1 : inRange(address);
      const line = index === -1 ? "" : `[${index}] ${addresses?.[index] ?? ""}`;
      return { allowed: index !== -1, rule: rule(`addresses${line}`) };
    },
    expiry: (at) => ({
      allowed: at < endsAt,
      rule: rule(`expiresAt ${expiresAt ?? "never"}`),
    }),
  };
}

/** A policy that allows nothing, in place of one that is not there or is not understood. */
export function refuseAll(name: string, why: string): CompiledPolicy {
  const compiled = compilePolicy(name, { agents: { allow: [] }, tools: { allow: [] } });
  const refused: Verdict = { allowed: false, rule: { policy: name, line: why } };
  return {
    ...compiled,
    ...{ agents: () => refused, tools: () => refused, mayMeet: () => false },
    ...{ addresses: () => refused, expiry: () => refused },
  };
}

function compileTools(
  name: string,
  { tools, packs }: Policy,
): Pick<CompiledPolicy, "tools" | "mayMeet"> {
  const judgeTool = compileRules<string>(name, "tools", tools, (glob) => compileGlob(glob).fits);
  const judgePack = compileRules<string>(name, "packs", packs, (pack) => (of) => pack === of);
  const globs = (list: readonly ToolGlob[]) => list.map(compileGlob);
  const allowed = Array.isArray(tools?.allow) ? globs(tools.allow) : null;
  const denied = globs(tools?.deny ?? []);
  const byProbe = new Map<string, Verdict>();
  return {
    tools(probe) {
      const known = byProbe.get(probe);
      if (known !== undefined) return known;
      const tool = judgeTool(probe);
      const pack = judgePack(splitProbeId(probe).pack);
      const verdict = tool.allowed && (!pack.allowed || tools === undefined) ? pack : tool;
      if (byProbe.size >= MAX_KEPT) byProbe.clear();
      byProbe.set(probe, verdict);
      return verdict;
    },
    mayMeet(pack) {
      if (!judgePack(pack).allowed) return false;
      const of = pack.replace(/^sonde\//, "");
      if (denied.some((glob) => glob.covers(of))) return false;
      return allowed === null || allowed.some((glob) => glob.meets(of));
    },
  };
}

/** Attack 39: what is denied is looked for first, so that no order of rules lets it through. */
function compileRules<Asked>(
  policy: string,
  member: string,
  rules: { allow?: "*" | string[]; deny?: string[] } | undefined,
  compile: (text: string) => (asked: Asked) => boolean,
): (asked: Asked) => Verdict {
  const list = (of: "allow" | "deny", texts: readonly string[]) =>
    texts.map((text, index) => ({
      fits: compile(text),
      verdict: {
        allowed: of === "allow",
        rule: { policy, line: `${member}.${of}[${index}] ${text}` },
      },
    }));
  const allow = rules?.allow ?? "*";
  const checks = [
    ...list("deny", rules?.deny ?? []),
    ...(allow === "*" ? [] : list("allow", allow)),
  ];
  const otherwise: Verdict =
    allow === "*"
      ? { allowed: true, rule: { policy, line: `${member}.allow *` } }
      : { allowed: false, rule: { policy, line: `${member}.allow names it not` } };
  return (asked) => checks.find(({ fits }) => fits(asked))?.verdict ?? otherwise;
}
