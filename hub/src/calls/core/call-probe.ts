import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { type ValueSchema } from "@sonde/schemas/manifest";
import { type Digest } from "@sonde/schemas/names";
import { type Signer } from "@sonde/schemas/trust";
import { scrub, scrubSentence } from "@sonde/scrub";
import { type AuditLog, buildAuditRecord } from "../../audit/index.ts";
import type { Catalog } from "../../catalog/index.ts";
import type { Directory } from "../../directory/index.ts";
import { authorize, type Principal } from "../../identity/index.ts";
import type { AgentAnswer, Links } from "../../links/index.ts";
import { checkAnswer, checkerOf } from "./check-answer.ts";
import { type Rendered, renderError, renderResult } from "./render.ts";

/** A call as an MCP client makes it. */
export type CallRequest = { tool: string; agent: string; params: Record<string, unknown> };

export type CallPorts = {
  directory: Pick<Directory, "agent" | "packs">;
  catalog: Pick<Catalog, "entries">;
  links: Pick<Links, "deliver">;
  auditLog: AuditLog;
  now: () => Date;
  /** Monotonic milliseconds. */
  elapsed: () => number;
  newCallId: () => string;
  /** Is called with the error when a response could not be recorded. */
  report: (error: Error) => void;
  /** The agent's time limit, in ms. */
  timeoutMs: number;
};

export type CallOutcome = Rendered & { callId: string };

/**
 * Time limit for scrubbing parameters. They are small; a slower scrub is an attack on the scrubber.
 */
const SCRUB_MS = 500;

/** Milliseconds of each step, in order. */
type Hops = { hop: string; ms: number }[];

/**
 * Runs one call from request to answer: finds the tool, authorizes, checks the arguments, records
 * the decision (durable before anything is sent), dispatches, records the response, renders. Never
 * throws: a failure is a recorded answer with a code.
 */
export async function callProbe(
  ports: CallPorts,
  principal: Principal,
  request: CallRequest,
): Promise<CallOutcome> {
  const callId = ports.newCallId();
  const hops: Hops = [];
  const measure = createStopwatch(ports.elapsed, hops);
  const record = { callId, principal: principal.subject.id, agent: request.agent.slice(0, 100) };

  let plan: Plan;
  try {
    plan = planCall(ports, principal, request);
    measure("hub: authorize and check");
  } catch (thrown) {
    return recordRefusal(ports, record, request, toSondeError(thrown));
  }
  const { probe, packDigest } = plan;
  try {
    await ports.auditLog.append(
      buildAuditRecord(ports.now(), "call.request", {
        ...record,
        probe,
        packDigest,
        status: "ok",
        detail: {
          decision: "allow",
          params: plan.recorded,
          signer: plan.signer,
          policyHash: principal.policyHash,
        },
      }),
    );
    measure("hub: audit commit");
  } catch (thrown) {
    return { ...renderError(request.agent, toSondeError(thrown)), callId };
  }
  const started = ports.elapsed();
  try {
    const { body: stated, envelope } = await dispatch(ports, principal, callId, request, plan);
    measure("hub: agent round trip");
    const body = checkAnswer(plan.result, stated);
    recordResponse(
      ports,
      { ...record, probe, packDigest },
      { body, envelope },
      ports.elapsed() - started,
      hops,
    );
    return { ...renderResult(request.agent, body), callId };
  } catch (thrown) {
    const error = toSondeError(thrown);
    appendLater(
      ports,
      buildAuditRecord(ports.now(), "call.response", {
        ...record,
        probe,
        packDigest,
        status: "failure",
        code: error.code,
        durationMs: round(ports.elapsed() - started),
        detail: { hops },
      }),
    );
    return { ...renderError(request.agent, error), callId };
  }
}

type Plan = {
  agentId: string;
  probe: string;
  packDigest: Digest;
  /** As the hub found it when it verified the archive. */
  signer: Signer;
  /** The schema of the answer, from the manifest that the hub verified. */
  result: ValueSchema;
  /** The parameters as they are recorded: scrubbed, so that no secret enters the log. */
  recorded: unknown;
};

function planCall(ports: CallPorts, principal: Principal, request: CallRequest): Plan {
  const { directory, catalog } = ports;
  const entry = catalog.entries().get(request.tool);
  if (entry === undefined) {
    throw new SondeError("PROBE_UNKNOWN", `no approved tool is called ${quote(request.tool)}`);
  }
  const { probe, capability, params, result, agents } = entry;
  const decision = authorize(principal, {
    kind: "probe.call",
    agent: request.agent,
    probe,
    capability,
  });
  if (!decision.allowed) throw new SondeError(decision.code, decision.reason);
  const agent = directory.agent(request.agent);
  const packDigest = agents.get(agent.name);
  const pack = packDigest === undefined ? undefined : directory.packs().get(packDigest);
  if (pack === undefined) {
    throw new SondeError("PROBE_UNKNOWN", `agent ${agent.name} does not offer ${probe}`);
  }
  const misfit = checkerOf(params)(request.params);
  if (misfit !== null) throw new SondeError("PARAMS_INVALID", misfit);
  const { digest, signer } = pack;
  return {
    agentId: agent.id,
    probe,
    packDigest: digest,
    signer,
    result,
    recorded: scrubParams(ports.elapsed, request.params),
  };
}

/** @throws SondeError SCRUB_FAILED; then the call is refused */
function scrubParams(elapsed: () => number, params: CallRequest["params"]): unknown {
  return scrub(params, { deadline: elapsed() + SCRUB_MS, now: elapsed, counts: new Map() });
}

async function dispatch(
  ports: CallPorts,
  principal: Principal,
  callId: string,
  request: CallRequest,
  plan: Plan,
): Promise<AgentAnswer> {
  const { agentId, packDigest, probe } = plan;
  const outcomes = ports.links.deliver([{ agentId, callId, packDigest }], {
    principal: principal.subject.id,
    policyHash: principal.policyHash,
    body: { probe, params: request.params, timeoutMs: ports.timeoutMs },
  });
  for await (const outcome of outcomes) {
    if ("error" in outcome) throw outcome.error;
    return outcome.answer;
  }
  throw new SondeError("INTERNAL", "expected one outcome for one agent, got none");
}

async function recordRefusal(
  ports: CallPorts,
  record: { callId: string; principal: string; agent: string },
  request: CallRequest,
  error: SondeError,
): Promise<CallOutcome> {
  const rendered = { ...renderError(request.agent, error), callId: record.callId };
  try {
    await ports.auditLog.append(
      buildAuditRecord(ports.now(), "call.denied", {
        ...record,
        status: "denied",
        code: error.code,
        detail: {
          tool: scrubSentence(request.tool.slice(0, 200)),
          reason: scrubSentence(error.message.slice(0, 500)),
        },
      }),
    );
    return rendered;
  } catch (thrown) {
    return { ...renderError(request.agent, toSondeError(thrown)), callId: record.callId };
  }
}

function recordResponse(
  ports: CallPorts,
  record: { callId: string; principal: string; agent: string; probe: string; packDigest: Digest },
  { body, envelope }: AgentAnswer,
  durationMs: number,
  hops: Hops,
): void {
  appendLater(
    ports,
    buildAuditRecord(ports.now(), "call.response", {
      ...record,
      status: body.status,
      code: body.failure?.code ?? null,
      durationMs: round(durationMs),
      detail: {
        hops,
        timings: body.timings,
        reads: body.reads,
        redactions: body.redactions,
        truncated: body.truncated,
        agentHead: body.auditHead,
        envelope,
      },
    }),
  );
}

/**
 * Queues a response record for the next group commit; the answer does not wait for it. When the
 * write fails, the request stays open, and the next start records its outcome as unknown.
 */
function appendLater(ports: CallPorts, record: Parameters<AuditLog["appendSoon"]>[0]): void {
  ports.auditLog.appendSoon(record).catch((thrown: unknown) => {
    ports.report(toSondeError(thrown));
  });
}

function createStopwatch(elapsed: () => number, hops: Hops): (hop: string) => void {
  let last = elapsed();
  return (hop) => {
    const now = elapsed();
    hops.push({ hop, ms: round(now - last) });
    last = now;
  };
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
