import type { Digest } from "@sonde/schemas/names";
import type { CallBody, DesiredStateBody, DsseEnvelope, ResultBody } from "@sonde/schemas/wire";

/** A call as it is sent to an agent. */
export type AgentCall = {
  callId: string;
  principal: string;
  packDigest: Digest;
  policyHash: Digest;
  body: CallBody;
};

/** An agent's answer with its signed envelope, which is kept as evidence. */
export type AgentAnswer = { body: ResultBody; envelope: DsseEnvelope };

/**
 * A live, authenticated connection to one agent. It has one owner and is not durable. It ends with
 * its session; every open call then fails with CALL_OUTCOME_UNKNOWN.
 */
export type AgentLink = {
  /** @throws SondeError CALL_TIMEOUT, CALL_OUTCOME_UNKNOWN, PROTOCOL_UNSUPPORTED or AGENT_BUSY */
  call(call: AgentCall): Promise<AgentAnswer>;
  sendDesiredState(body: DesiredStateBody): void;
  sendCertificate(certificate: string): void;
  /** True when the agent answers within `timeoutMs`. */
  ping(timeoutMs: number): Promise<boolean>;
  close(reason: string): void;
};
