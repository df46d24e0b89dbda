import {
  type AgentOutcome,
  type CallPorts,
  callProbe,
  chooseAgents,
  refuseAgent,
} from "../../calls/index.ts";
import { onlyObserving, type Principal } from "../../identity/index.ts";
import { conclude, type Diagnosed, type Outcomes } from "./conclude.ts";
import { type PlannedAgent, planRunbooks, type RunbookCall } from "./plan-runbooks.ts";

/** Probes under way at once on one server: as many more as it takes for others' calls are free. */
const MAX_AT_ONCE = 8;
/** With less time than this a probe is not asked any more. */
const LEAST_MS = 200;

export type DiagnosisRequest = {
  /** The tool of the hub that is used, for the record. */
  tool: string;
  /** As the client named it, or left it out. */
  agent: unknown;
  /** Whose runbook is run; null for the runbooks of all packs. */
  pack: string | null;
};

/**
 * Runs runbooks on the agents of a request: asks their probes together, and judges the answers. Each
 * probe is a call of its own, with all of a call's checks and records, and with the right to observe
 * only. What is asked for several agents or runbooks is asked at the same time. The answer is there
 * within the time of one call; what is not answered by then is unseen.
 *
 * @throws SondeError PARAMS_INVALID for too many agents
 */
export async function runRunbooks(
  ports: CallPorts,
  given: Principal,
  request: DiagnosisRequest,
  signal: AbortSignal,
): Promise<Diagnosed[]> {
  const principal = onlyObserving(given);
  const { answerWithinMs, maxAgents } = ports.limits();
  const until = ports.elapsed() + answerWithinMs;
  const agents = chooseAgents(ports.directory.agents(), principal, request.agent, maxAgents);
  const parts = await Promise.all(agents.map((agent) => plan(ports, principal, agent, request)));
  const planned = parts.filter((part) => "runbooks" in part);
  const outcomes = await askTogether(ports, principal, gather(planned), until, signal);
  return parts.map((part) =>
    "runbooks" in part
      ? conclude(ports, principal, part, outcomes)
      : { result: part.result, calls: {} },
  );
}

async function plan(
  ports: CallPorts,
  principal: Principal,
  agent: string,
  request: DiagnosisRequest,
): Promise<PlannedAgent | AgentOutcome> {
  try {
    return planRunbooks(ports, principal, agent, request);
  } catch (thrown) {
    const name = { callId: ports.newCallId(), principal: principal.subject.id, agent };
    return await refuseAgent(ports, name, request.tool, thrown);
  }
}

type Gathered = RunbookCall & { agents: Set<string> };

/** Each call once, with the agents that it is for. */
function gather(planned: readonly PlannedAgent[]): Gathered[] {
  const gathered = new Map<string, Gathered>();
  for (const { agent, runbooks } of planned) {
    for (const call of runbooks.flatMap(({ calls }) => [...calls.values()])) {
      const known = gathered.get(call.key) ?? { ...call, agents: new Set() };
      known.agents.add(agent.name);
      gathered.set(call.key, known);
    }
  }
  return [...gathered.values()];
}

async function askTogether(
  ports: CallPorts,
  principal: Principal,
  calls: readonly Gathered[],
  until: number,
  signal: AbortSignal,
): Promise<Outcomes> {
  const outcomes = new Map<string, Map<string, AgentOutcome>>();
  const waiting = calls.values();
  async function askNext(): Promise<void> {
    for (const { key, tool, params, agents } of waiting) {
      const left = Math.floor(until - ports.elapsed());
      if (left < LEAST_MS || signal.aborted) return;
      const limits = () => ({ ...ports.limits(), answerWithinMs: left });
      const request = { tool, params, agent: [...agents] };
      const outcome = await callProbe({ ...ports, limits }, principal, request, signal);
      outcomes.set(key, new Map(outcome.map((one) => [one.result.agent, one])));
    }
  }
  await Promise.all(Array.from({ length: MAX_AT_ONCE }, askNext));
  return outcomes;
}
