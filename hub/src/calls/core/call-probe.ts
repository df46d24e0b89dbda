import { SondeError } from "@sonde/schemas/errors";
import type { ToolResult } from "@sonde/schemas/hub";
import { scrubSentence } from "@sonde/scrub";
import type { AuditLog } from "../../audit/index.ts";
import type { Catalog } from "../../catalog/index.ts";
import type { Directory } from "../../directory/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { Links, Outcome } from "../../links/index.ts";
import { checkAnswer } from "./check-answer.ts";
import { type Allowed, decideEach } from "./decide-each.ts";
import { explainThrown, recordRequest, recordResponse } from "./record-call.ts";
import { renderError, renderResult } from "./render.ts";

/** A call as an MCP client makes it. The agent is as the client gave it, or left it out. */
export type CallRequest = { tool: string; agent: unknown; params: Record<string, unknown> };

export type CallPorts = {
  directory: Pick<Directory, "agents" | "agent" | "tagged" | "packs">;
  catalog: Pick<Catalog, "entries" | "definitionsOf" | "runbookOf">;
  links: Pick<Links, "deliver">;
  auditLog: AuditLog;
  now: () => Date;
  /** Monotonic milliseconds. */
  elapsed: () => number;
  newCallId: () => string;
  /** Is called with a defect and its call's id, and when a response could not be recorded. */
  report: (error: Error, callId?: string) => void;
  /** Those in force now. */
  limits: () => CallLimits;
};

export type CallLimits = {
  /** The agent's time limit, in ms. */
  timeoutMs: number;
  /** When a client gets its answer, in ms, whoever has not answered by then. */
  answerWithinMs: number;
  /** How many agents a call may ask. */
  maxAgents: number;
};

/** One agent's part of a call. Each has its own id and its own records. */
export type AgentOutcome = { callId: string; result: ToolResult };

/** In the order in which the agents were named; those of a tag by name. */
export type CallOutcome = readonly AgentOutcome[];

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
  principal: Principal,
  request: CallRequest,
  signal: AbortSignal,
): Promise<CallOutcome> {
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
  const { probe, params } = first.plan;
  const { answerWithinMs, ...limits } = ports.limits();
  const timeoutMs = Math.min(limits.timeoutMs, answerWithinMs);
  const asked = {
    principal: subject.id,
    askedBy: scrubSentence(subject.name, MAX_NAME),
    ...{ policyHash, body: { probe, params, timeoutMs } },
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
