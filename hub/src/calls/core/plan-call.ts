import { isDeepStrictEqual } from "node:util";
import { SondeError } from "@sonde/schemas/errors";
import type { ValueSchema } from "@sonde/schemas/manifest";
import { scrub } from "@sonde/scrub";
import { type CatalogEntry, findVisibleTool } from "../../catalog/index.ts";
import { type HubPack, requireReleased } from "../../directory/index.ts";
import { authorize, type HeldRate, maySeeAgent, type Principal } from "../../identity/index.ts";
import type { CallPorts, CallRequest } from "./call.ts";
import { type CallOrigin, describeOrigin } from "./call-origin.ts";
import { checkParams } from "./check-params.ts";
import { agentUnknown } from "./choose-agents.ts";
import { requireGranted } from "./require-granted.ts";

/**
 * Time limit for scrubbing parameters. They are small; a slower scrub is an attack on the scrubber.
 */
const SCRUB_MS = 500;

/** A call that may be sent to one agent. */
export type Plan = {
  agentId: string;
  probe: string;
  pack: HubPack;
  /** Recorded, since pack, approval and agent may be others when somebody asks. */
  origin: CallOrigin;
  /** The schema of the answer, from the manifest that the hub verified. */
  result: ValueSchema;
  params: CallRequest["params"];
  /** Rates of policies that the call counts towards. */
  rates: readonly HeldRate[];
  /** The parameters as they are recorded: scrubbed, so that no secret enters the log. */
  recorded: unknown;
  /** True when these are the same. */
  isPlain: boolean;
};

export type PlanPorts = Pick<CallPorts, "catalog" | "directory" | "elapsed">;

/**
 * Returns a function that decides for one agent whether a call may be sent, and what is sent and
 * recorded. What all agents of a call share is looked up and checked once.
 *
 * The function takes the agent's name, empty when the client named none, and throws SondeError: the
 * refusal.
 */
export function createPlanner(
  ports: PlanPorts,
  principal: Principal,
  request: CallRequest,
): (agent: string) => Plan {
  const { directory, catalog } = ports;
  const entry = findVisibleTool(catalog, principal, request.tool);
  const readParams = createParamsReader(ports, request);

  return (agent) => {
    // By name and tags only, before anything else is looked up: a refusal tells nothing of what there is.
    const tagged = directory.tagged(agent);
    if (agent !== "" && !maySeeAgent(principal, tagged)) {
      throw new SondeError("FORBIDDEN", `this key may not ask agent ${quote(agent)}`);
    }
    if (!(entry?.agents.has(agent) ?? false)) {
      requireGranted(ports, principal, agent, request.tool);
    }
    if (entry === null) {
      const tool = quote(request.tool);
      throw new SondeError("PROBE_UNKNOWN", `this key has no approved tool that is called ${tool}`);
    }
    const { probe, capability, result } = entry;
    if (agent === "") throw agentUnknown(directory.agents(), principal, request.agent);
    const decision = authorize(principal, { kind: "probe.call", agent: tagged, probe, capability });
    if (!decision.allowed) throw new SondeError(decision.code, decision.reason);
    const packDigest = entry.agents.get(agent)?.digest;
    const pack = packDigest === undefined ? undefined : directory.packs().get(packDigest);
    if (pack === undefined) {
      if (!directory.agents().some(({ name }) => name === agent)) {
        throw agentUnknown(directory.agents(), principal, agent);
      }
      throw new SondeError("PROBE_UNKNOWN", `agent ${agent} does not offer ${request.tool}`);
    }
    const known = directory.agent(agent);
    requireReleased(known);
    return {
      ...{ agentId: known.id, probe, pack, origin: describeOrigin(pack, known), result },
      rates: decision.rates,
      ...readParams(entry, agent),
    };
  };
}

type Params = Pick<Plan, "params" | "recorded" | "isPlain">;

/** Checks and scrubs once, also what does not fit: a call may be for many agents. */
function createParamsReader(
  { elapsed }: Pick<PlanPorts, "elapsed">,
  request: CallRequest,
): (entry: CatalogEntry, agent: string) => Params {
  let read: Params | { error: unknown } | undefined;
  return (entry, agent) => {
    try {
      read ??= readParams(entry, agent);
    } catch (error) {
      read = { error };
    }
    if ("error" in read) throw read.error;
    return read;
  };

  /** @throws SondeError PARAMS_INVALID, or SCRUB_FAILED; then the call is refused */
  function readParams(entry: CatalogEntry, agent: string): Params {
    const params = checkParams(entry, agent, request.params);
    const deadline = elapsed() + SCRUB_MS;
    const recorded = scrub(params, { deadline, now: elapsed, counts: new Map() });
    return { params, recorded, isPlain: isDeepStrictEqual(params, recorded) };
  }
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
