import type { Principal } from "../../identity/index.ts";
import type { AgentOutcome, CallPorts, CallRequest } from "./call.ts";
import { chooseAgents } from "./choose-agents.ts";
import { createPlanner, type Plan } from "./plan-call.ts";
import { type CallName, explainThrown, type Hops, recordRefusal, roundMs } from "./record-call.ts";
import { renderError } from "./render.ts";

/** One agent's part of a call that is allowed and on record. */
export type Allowed = {
  name: CallName;
  plan: Plan;
  /** Monotonic, in ms. */
  startedAt: number;
  hops: Hops;
  /** Ends a hop. */
  measure: (hop: string) => void;
};

/**
 * Chooses the agents of a request and decides for each apart. A refusal is recorded and is that
 * agent's outcome. Each that is allowed counts towards the rates of its policies. Never throws.
 *
 * @param principal as it is at one time, by which all is decided
 * @param record records what is allowed; without that it is not allowed
 */
export async function decideEach(
  ports: CallPorts,
  principal: Principal,
  request: CallRequest,
  record: (name: CallName, plan: Plan) => Promise<void>,
): Promise<(Allowed | AgentOutcome)[]> {
  const nameFor = (agent: string): CallName => ({
    ...{ callId: ports.newCallId(), principal: principal.subject.id, agent },
  });
  let agents: string[];
  try {
    const { maxAgents } = ports.limits();
    agents = chooseAgents(ports.directory.agents(), principal, request.agent, maxAgents);
  } catch (thrown) {
    return [await refuseAgent(ports, nameFor(""), request.tool, thrown)];
  }
  const planFor = createPlanner(ports, principal, request);

  async function decide(agent: string): Promise<Allowed | AgentOutcome> {
    const name = nameFor(agent);
    const hops: Hops = [];
    const measure = createStopwatch(ports.elapsed, hops);
    let plan: Plan;
    try {
      plan = planFor(agent);
      if (plan.rates.length > 0) await ports.rates.take(plan.rates);
      measure("hub: authorize and check");
    } catch (thrown) {
      return await refuseAgent(ports, name, request.tool, thrown);
    }
    try {
      await record(name, plan);
      measure("hub: audit commit");
    } catch (thrown) {
      return failed(ports, name, thrown);
    }
    return { name, plan, startedAt: ports.elapsed(), hops, measure };
  }

  return await Promise.all(agents.map(decide));
}

/** Records that an agent is not asked, and says why. Never throws. */
export async function refuseAgent(
  ports: CallPorts,
  name: CallName,
  tool: string,
  thrown: unknown,
): Promise<AgentOutcome> {
  const error = explainThrown(ports, name.callId, thrown);
  try {
    await recordRefusal(ports, name, tool, error);
    return { callId: name.callId, result: renderError(name.agent, error) };
  } catch (unrecorded) {
    return failed(ports, name, unrecorded);
  }
}

function failed(ports: CallPorts, { callId, agent }: CallName, thrown: unknown): AgentOutcome {
  return { callId, result: renderError(agent, explainThrown(ports, callId, thrown)) };
}

function createStopwatch(elapsed: () => number, hops: Hops): (hop: string) => void {
  let last = elapsed();
  return (hop) => {
    const now = elapsed();
    hops.push({ hop, ms: roundMs(now - last) });
    last = now;
  };
}
