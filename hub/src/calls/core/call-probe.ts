import { SondeError } from "@sonde/schemas/errors";
import { scrubSentence } from "@sonde/scrub";
import { asOfNow, type Principal } from "../../identity/index.ts";
import type { Outcome } from "../../links/index.ts";
import type { AgentOutcome, CallOutcome, CallPorts, CallRequest } from "./call.ts";
import { checkAnswer } from "./check-answer.ts";
import { type Allowed, decideEach } from "./decide-each.ts";
import { explainThrown, recordRequest, recordResponse } from "./record-call.ts";
import { renderError, renderResult } from "./render.ts";

/** Characters of the name that an agent is told; a key's has 80. */
const MAX_NAME = 100;

/**
 * Runs one call from request to answer. For each agent apart: finds the tool, authorizes, checks the
 * arguments and records the decision, which is durable before anything is sent. Then dispatches to
 * all that may be asked, and records and renders each response. Never throws: a failure is a
 * recorded answer with a code, and one agent's failure is no other's.
 *
 * @param signal says that nobody waits for the answer any more
 */
export async function callProbe(
  ports: CallPorts,
  asking: Principal,
  request: CallRequest,
  signal: AbortSignal,
): Promise<CallOutcome> {
  const principal = asOfNow(asking);
  const parts = await decideEach(ports, principal, request, (name, plan) =>
    recordRequest(ports, principal, name, plan),
  );
  const allowed = parts.filter((part) => "plan" in part);
  const answered = await dispatch(ports, principal, allowed, signal);
  return parts.map((part) =>
    "plan" in part ? (answered.get(part) ?? end(ports, part, noOutcome())) : part,
  );
}

/** Sends one call to the agents and settles each as its outcome comes. */
async function dispatch(
  ports: CallPorts,
  { subject, policyHash }: Principal,
  allowed: readonly Allowed[],
  signal: AbortSignal,
): Promise<ReadonlyMap<Allowed, AgentOutcome>> {
  const answered = new Map<Allowed, AgentOutcome>();
  const [first] = allowed;
  if (first === undefined) return answered;
  const parts = new Map(allowed.map((part) => [part.plan.agentId, part]));
  const targets = allowed.map(({ name, plan }) => ({
    ...{ agentId: plan.agentId, callId: name.callId, packDigest: plan.pack.digest },
  }));
  const { probe, params, isPlain } = first.plan;
  const { answerWithinMs, ...limits } = ports.limits();
  const timeoutMs = Math.min(limits.timeoutMs, answerWithinMs);
  const asked = {
    principal: subject.id,
    askedBy: scrubSentence(subject.name, MAX_NAME),
    ...{ policyHash, isPlain, body: { probe, params, timeoutMs } },
  };
  try {
    for await (const outcome of ports.links.deliver(targets, asked, answerWithinMs, signal)) {
      const part = parts.get(outcome.agentId);
      if (part !== undefined) answered.set(part, end(ports, part, outcome));
    }
  } catch (thrown) {
    for (const part of allowed) {
      if (!answered.has(part)) answered.set(part, end(ports, part, { error: thrown }));
    }
  }
  return answered;
}

/** Records how one agent's part ended, and renders it. */
function end(
  ports: CallPorts,
  { name, plan, startedAt, hops, measure }: Allowed,
  outcome: Pick<Extract<Outcome, { answer: unknown }>, "answer"> | { error: unknown },
): AgentOutcome {
  const { callId, agent } = name;
  const durationMs = ports.elapsed() - startedAt;
  if ("error" in outcome) {
    const error = explainThrown(ports, callId, outcome.error);
    recordResponse(ports, name, plan, { error }, { durationMs, hops });
    return { callId, result: renderError(agent, error) };
  }
  measure("hub: agent round trip");
  const answer = { ...outcome.answer, body: checkAnswer(plan.result, outcome.answer.body) };
  recordResponse(ports, name, plan, { answer }, { durationMs, hops });
  return { callId, result: renderResult(agent, answer.body) };
}

function noOutcome(): { error: SondeError } {
  return { error: new SondeError("INTERNAL", "expected one outcome for each agent, got none") };
}
