import { createHash } from "node:crypto";
import type { Capability, Digest } from "@sonde/schemas/names";
import type { TrustPolicy } from "@sonde/schemas/trust";
import type { Ceiling } from "./ceiling.ts";
import type { AgentEvent } from "./record-event.ts";

/** The rules that root set for this host, in the form in which the agent remembers them. */
export type RootRules = {
  maxCapability: Capability;
  alsoReadOnly: string[];
  /** Null when the trust policy cannot be read. */
  trustSha256: Digest | null;
};

export function summariseRules(
  { maxCapability, alsoReadOnly }: Ceiling,
  policy: TrustPolicy | null,
): RootRules {
  return {
    maxCapability,
    alsoReadOnly: [...alsoReadOnly].toSorted(),
    trustSha256: policy === null ? null : digestOf(JSON.stringify(policy)),
  };
}

/**
 * Builds an event for each rule that changed since the agent looked last. It may have been
 * off meanwhile. Without a previous look, the events say what the rules are.
 */
export function listRuleChanges(before: RootRules | null, now: RootRules): AgentEvent[] {
  const ceilingOf = (rules: RootRules) => ({
    maxCapability: rules.maxCapability,
    alsoReadOnly: rules.alsoReadOnly,
  });
  const trustOf = ({ trustSha256 }: RootRules) => ({ sha256: trustSha256 });
  return [
    ...changeOf("ceiling.changed", before && ceilingOf(before), ceilingOf(now)),
    ...changeOf("trust.changed", before && trustOf(before), trustOf(now)),
  ];
}

function changeOf(event: AgentEvent["event"], from: object | null, to: object): AgentEvent[] {
  if (JSON.stringify(from) === JSON.stringify(to)) return [];
  return [{ event, status: "info", code: null, detail: { from, to } }];
}

function digestOf(text: string): Digest {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
