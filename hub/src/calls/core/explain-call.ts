import type { ToolResult } from "@sonde/schemas/hub";
import { splitProbeId } from "@sonde/schemas/names";
import { describeRead, planReads } from "@sonde/sources";
import { buildAuditRecord } from "../../audit/index.ts";
import { asOfNow, type Principal } from "../../identity/index.ts";
import type { CallOutcome, CallPorts, CallRequest } from "./call.ts";
import { decideEach } from "./decide-each.ts";
import type { Plan } from "./plan-call.ts";
import { explainThrown } from "./record-call.ts";
import { renderError } from "./render.ts";

/**
 * Says for each agent exactly what a call would read there, without reading. The decisions are those
 * of the call, so who may not call learns nothing. Each is recorded, durable before it is answered.
 * Never throws: a refusal is a recorded answer with a code.
 */
export async function explainCall(
  ports: CallPorts,
  asking: Principal,
  request: CallRequest,
): Promise<CallOutcome> {
  const principal = asOfNow(asking);
  const parts = await decideEach(ports, principal, request, async (name, plan) => {
    const { probe, pack, recorded: params } = plan;
    await ports.auditLog.append(
      buildAuditRecord(ports.now(), "log.read", {
        ...{ ...name, probe, packDigest: pack.digest, detail: { tool: "explain", params } },
      }),
    );
  });
  return parts.map((part) => {
    if (!("plan" in part)) return part;
    const { callId, agent } = part.name;
    try {
      return { callId, result: describePlan(agent, part.plan) };
    } catch (thrown) {
      return { callId, result: renderError(agent, explainThrown(ports, callId, thrown)) };
    }
  });
}

/**
 * From the manifest that this hub verified, with the words of the agent's own records.
 *
 * @throws SondeError PARAMS_INVALID for a value that the agent would refuse
 */
function describePlan(agent: string, { pack, probe, params }: Plan): ToolResult {
  const { now, later } = planReads(pack.manifest, splitProbeId(probe).probe, params);
  return {
    ...{ agent, status: "ok", redactions: { count: 0, rules: {} }, collectedAt: null },
    data: {
      pack: `${pack.name} ${pack.version}`,
      reads: [...now, ...later].map(describeRead),
    },
  };
}
