import { nameLogId, type SondeError, toSondeError } from "@sonde/schemas/errors";
import { scrubSentence } from "@sonde/scrub";
import { type AuditLog, buildAuditRecord } from "../../audit/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { AgentAnswer } from "../../links/index.ts";
import type { CallPorts } from "./call.ts";
import type { Plan } from "./plan-call.ts";

/** Characters of an agent's name on record. */
const MAX_AGENT = 100;

/** What all records of one call of one agent say. */
export type CallName = { callId: string; principal: string; agent: string };

/** Milliseconds of each step, in order. */
export type Hops = { hop: string; ms: number }[];

/**
 * Records that a call is going to be sent. Durable when it resolves.
 *
 * @throws SondeError AUDIT_UNAVAILABLE; then the call must not be sent
 */
export async function recordRequest(
  { auditLog, keepPolicy, now }: CallPorts,
  principal: Principal,
  name: CallName,
  { probe, pack, recorded, origin }: Plan,
): Promise<void> {
  // First, so that no record names a policy whose text nobody has.
  await keepPolicy(principal);
  await auditLog.append(
    buildAuditRecord(now(), "call.request", {
      ...{ ...name, probe, packDigest: pack.digest, status: "ok" },
      detail: {
        decision: "allow",
        params: recorded,
        ...origin,
        policyHash: principal.policyHash,
      },
    }),
  );
}

/**
 * Records that a call was refused. Durable when it resolves.
 *
 * @throws SondeError AUDIT_UNAVAILABLE; then nothing may be said of the refusal
 */
export async function recordRefusal(
  { auditLog, now }: CallPorts,
  name: CallName,
  tool: string,
  { code, message }: SondeError,
): Promise<void> {
  await auditLog.append(
    buildAuditRecord(now(), "call.denied", {
      ...name,
      // Any text of the client: the agent need not be one.
      agent: scrubSentence(name.agent, MAX_AGENT),
      status: "denied",
      code,
      detail: { tool: scrubSentence(tool, 200), reason: scrubSentence(message, 500) },
    }),
  );
}

/** How a call ended, as its second record has it. */
export type Ending = { answer: AgentAnswer } | { error: SondeError };

/**
 * Queues a response record for the next group commit; the answer does not wait for it. During an
 * outage of the database the record waits. When this hub ends before it is written, the request
 * stays open, and the next start records its outcome as unknown.
 */
export function recordResponse(
  ports: CallPorts,
  name: CallName,
  { probe, pack }: Plan,
  ending: Ending,
  { durationMs, hops }: { durationMs: number; hops: Hops },
): void {
  const record: Parameters<AuditLog["appendSoon"]>[0] = buildAuditRecord(
    ports.now(),
    "call.response",
    {
      ...{ ...name, probe, packDigest: pack.digest, durationMs: roundMs(durationMs) },
      ...describeEnding(ending, hops),
    },
  );
  ports.auditLog.appendSoon(record).catch((thrown: unknown) => {
    ports.report(toSondeError(thrown));
  });
}

function describeEnding(ending: Ending, hops: Hops) {
  if ("error" in ending) {
    return { status: "failure" as const, code: ending.error.code, detail: { hops } };
  }
  const { body, envelope, bytes } = ending.answer;
  const { status, failure, timings, reads, redactions, truncated, auditHead: agentHead } = body;
  const detail = {
    ...{ hops, timings, reads, redactions, truncated, agentHead, envelope },
    ...(bytes !== undefined && { bytes }),
  };
  return { status, code: failure?.code ?? null, detail };
}

/** Logs a defect under the call's id, which its error then names. */
export function explainThrown(
  { report }: Pick<CallPorts, "report">,
  callId: string,
  thrown: unknown,
): SondeError {
  const error = toSondeError(thrown);
  if (error.code === "INTERNAL") report(error, callId);
  return nameLogId(error, callId);
}

export function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
