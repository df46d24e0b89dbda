import type { SondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import type { SigningKey } from "@sonde/trust/envelope";
import type {
  CallBody,
  CheckpointBody,
  DesiredStateBody,
  DsseEnvelope,
  HubGrantsBody,
  ResultBody,
} from "@sonde/schemas/wire";

/** A call as it is sent to an agent. */
export type AgentCall = {
  callId: string;
  principal: string;
  /** The principal's name in words. An agent that does not know the feature is not told. */
  askedBy?: string;
  packDigest: Digest;
  policyHash: Digest;
  body: CallBody;
  /**
   * True when scrubbing hides nothing of the parameters. Only then the order is kept: also a digest
   * of a secret is one to guess from.
   */
  isPlain?: boolean;
};

/** An agent's answer with its signed envelope, which is kept as evidence. */
export type AgentAnswer = {
  body: ResultBody;
  envelope: DsseEnvelope;
  /** Of the body as the agent sent it. A hub of an earlier release that holds the link says none. */
  bytes?: number;
};

/**
 * A live, authenticated connection to one agent. It has one owner and is not durable. It ends with
 * its session; every open call then fails with CALL_OUTCOME_UNKNOWN.
 */
export type AgentLink = {
  /** @throws SondeError CALL_TIMEOUT, CALL_OUTCOME_UNKNOWN, PROTOCOL_UNSUPPORTED or AGENT_BUSY */
  call(call: AgentCall): Promise<AgentAnswer>;
  sendDesiredState(body: DesiredStateBody): void;
  /** Tells an agent that knows them which grants people gave at this hub; again after a new key set. */
  sendGrants(body: HubGrantsBody): void;
  sendCertificate(certificate: string): void;
  /** Ends an open call with that error, and tells an agent that knows how to end it too. */
  cancelCall(callId: string, why: SondeError): void;
  /** Ends every open call so. */
  cancelCalls(why: SondeError): void;
  /** Tells an agent that knows them the newest signed head of the hub's audit log. */
  sendCheckpoint(body: CheckpointBody): void;
  /** Asks an agent that knows attestation for a statement. */
  attest(nonce: string): void;
  /** Sends the new key set. Messages after it are signed with `signer`, its first key. */
  sendKeySet(keySet: DsseEnvelope, signer: SigningKey): void;
  /** True when the agent answers within `timeoutMs`. */
  ping(timeoutMs: number): Promise<boolean>;
  close(reason: string): void;
};
