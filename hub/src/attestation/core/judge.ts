import { createHash } from "node:crypto";
import type {
  AttestationState,
  AttestationSummary,
  Difference,
  DriftAction,
  DriftPolicy,
} from "@sonde/schemas/hub";
import { selects, type Tagged } from "@sonde/schemas/tags";
import type { AgentStatement } from "@sonde/schemas/wire";
import { findDifferences, type Known } from "./find-differences.ts";

export type Judgement = { state: AttestationState; differences: Difference[] };

/** Judges a statement by the one that a person approved; null when nobody approved any. */
export function judge(
  approved: AgentStatement | null,
  stated: AgentStatement,
  known: Known,
): Judgement {
  if (approved === null) return { state: "unapproved", differences: [] };
  const differences = findDifferences(approved, stated, known);
  if (differences.length === 0) return { state: "approved", differences };
  const isReview = differences.some(({ drift }) => drift === "review");
  return { state: isReview ? "review" : "expected", differences };
}

/** Of an agent that did not answer: what it was before says nothing of what it is. */
export const SILENT: Judgement = { state: "not-attested", differences: [] };

export function summarise({ state, differences }: Judgement): AttestationSummary {
  const count = (drift: Difference["drift"]) =>
    differences.filter((difference) => difference.drift === drift).length;
  return { state, expected: count("expected"), review: count("review") };
}

const STRICTNESS: readonly DriftAction[] = ["flag", "restrict", "quarantine"];

/**
 * Tells whether the policy has to decide. An agent that attested once and does not any more counts
 * like one with drift to review: silence must not be a way around the policy. One that never did is
 * of an older release, or new.
 *
 * @param hasApproved whether a person ever approved a statement of this agent
 */
export function needsReview({ state }: Judgement, hasApproved: boolean): boolean {
  return state === "review" || state === "unapproved" || (state === "not-attested" && hasApproved);
}

/** What the policy does about an agent that needs review: the strictest of the rules for it. */
export function chooseAction(rules: DriftPolicy["rules"], agent: Tagged): DriftAction {
  const strictness = rules
    .filter(({ on }) => on === "all" || selects(on, agent))
    .map(({ action }) => STRICTNESS.indexOf(action));
  return STRICTNESS[Math.max(0, ...strictness)] ?? "quarantine";
}

/** Why the policy holds an agent, in words of the hub alone: a host chooses names of its files. */
export function describeReason({ state, differences }: Judgement): string {
  if (state === "not-attested") return "It does not attest any more.";
  if (state === "unapproved") return "Nobody approved its first statement.";
  const { review } = summarise({ state, differences });
  return `Its statement has ${review} differences to review from the approved one.`;
}

/** Names a judgement and what was done about it, so that it is done once. */
export function nameAction(judgement: Judgement, action: DriftAction): string {
  const hash = createHash("sha256").update(JSON.stringify(judgement)).digest("hex");
  return `${action} ${hash}`;
}
