import { createPublicKey, type KeyObject } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import {
  type Agreement,
  type ApprovalsBody,
  ATTESTATION,
  type AttestationBody,
  agreeOnProtocol,
  type CallBody,
  CHECKPOINTS,
  type CheckpointBody,
  type DesiredStateBody,
  type DsseEnvelope,
  type EnvelopeHeader,
  encodeBody,
  FIRST_PROTOCOL,
  HUB_GRANTS,
  type HelloBody,
  type HubGrantsBody,
  type HubMessage,
  type LogHead,
  OWN_PROTOCOL,
  type PackReportBody,
  type RefusedBody,
  readHubMessage,
  type WelcomeBody,
  type WitnessBody,
} from "@sonde/schemas/wire";
import {
  CHANNEL_BINDING_BYTES,
  CHANNEL_BINDING_LABEL,
  type Channel,
  createChannel,
  createSigningKey,
  deriveSessionId,
  type KeptMessage,
} from "@sonde/trust/envelope";
import type { Answer, Call } from "../../core/call.ts";
import type { Identity } from "../store/identity.ts";

/** What a session calls in the agent. */
export type SessionHandlers = {
  onWelcome: (body: WelcomeBody, agreement: Agreement, sessionId: string) => void;
  /** @param agentHead the newest head of this agent's log that the hub knows */
  buildHello: (agentHead: LogHead | null) => HelloBody;
  buildPackReport: () => PackReportBody;
  /** Builds what is granted on this host, and by whom. */
  buildApprovals: () => ApprovalsBody;
  /** Receives what people granted at the hub, with the message by which it stays. */
  onHubGrants: (body: HubGrantsBody, message: KeptMessage) => void;
  onDesiredState: (body: DesiredStateBody) => void;
  /**
   * Receives the hub's next certificate for this agent's key. @throws SondeError when it
   * is unfit
   */
  onCertificate: (certificate: string) => void;
  /**
   * Receives a newer signed head of the hub's audit log.
   *
   * @throws SondeError HUB_ROLLED_BACK, HUB_UNTRUSTED
   */
  onCheckpoint: (body: CheckpointBody) => void;
  /** The newest of these heads that is durable here; null before the first one. */
  buildWitness: () => WitnessBody | null;
  /** Receives a message in which the hub repeats the head of this agent's audit log. */
  onHeadRepeated: (message: DsseEnvelope) => void;
  /** Builds the statement that answers this nonce of the hub. */
  onAttest: (nonce: string) => Promise<AttestationBody>;
  /** Receives why there is no statement. The hub says of the agent that it did not answer. */
  onUnattested: (why: SondeError) => void;
  /**
   * Takes over the hub's new key set and returns the key that signs the hub's next message.
   *
   * @throws SondeError when it is unfit
   */
  onKeySet: (keySet: DsseEnvelope) => KeyObject;
  /** Receives a sentence about a message that one of the two sides does not understand. */
  onUnsupported: (message: string) => void;
  /** Answers every call, refused ones too. Never rejects. */
  onCall: (call: Call) => Promise<Answer>;
  /** Ends a call that runs. */
  onCancel: (callId: string) => void;
};

/** One authenticated connection. After any throw the caller must close it. */
export type Session = {
  /**
   * @throws SondeError ENVELOPE_*; PROTOCOL_UNSUPPORTED when hub and agent have no common
   *   protocol
   */
  receive(frame: Buffer): void;
  sendPackReport(): void;
  /** Tells the hub that the next statement will differ, if it knows what a statement is. */
  tellChanged(): void;
};

/**
 * Speaks the protocol over one TLS connection. The hub's welcome comes first, then
 * desired states and calls in any order.
 *
 * @param send sends one frame, or drops it when the connection is closed
 */
export function createSession(
  identity: Identity,
  sessionId: string,
  handlers: SessionHandlers,
  send: (frame: Buffer) => void,
  now: () => number,
): Session {
  const channel: Channel = createChannel({
    side: "agent",
    hubId: identity.hubId,
    agentId: identity.agentId,
    sessionId,
    signer: createSigningKey(identity.key, createPublicKey(identity.key)),
    peerKey: identity.hubKey,
    now,
  });
  let hubHead: LogHead | null = null;
  /** Null until the hub's welcome. */
  let agreement: Agreement | null = null;

  const witness = () => (hubHead === null ? {} : { peerHead: hubHead });

  const sendPackReport = (): void => {
    const { certificateSerial, ...first } = handlers.buildPackReport();
    // A hub of release 0.1.0 refuses a report with a member that it does not know.
    const isFirst = agreement?.protocol === FIRST_PROTOCOL.max;
    const body = encodeBody(isFirst ? first : { ...first, certificateSerial });
    send(channel.seal({ type: "pack-report", body, ...witness() }));
    sendApprovals();
  };

  /** A hub of an earlier release grants nothing and does not know the message. */
  const sendApprovals = (): void => {
    if (agreement?.features.has(HUB_GRANTS) !== true) return;
    const body = encodeBody(handlers.buildApprovals());
    send(channel.seal({ type: "approvals", body, ...witness() }));
  };

  const sendWitness = (): void => {
    const body = handlers.buildWitness();
    if (body === null || agreement?.features.has(CHECKPOINTS) !== true) return;
    send(channel.seal({ type: "witness", body: encodeBody(body), ...witness() }));
  };

  const answer = async (call: Call): Promise<void> => {
    const { body, reads } = await handlers.onCall(call);
    // Signed with what was asked, so that nobody can say later that it answers another question.
    const { callId, principal, probe, packDigest, policyHash } = call;
    const asked = { callId, principal, probe, packDigest, policyHash };
    if (reads !== null) send(channel.seal({ type: "reads", callId, body: reads, ...witness() }));
    send(channel.seal({ type: "result", ...asked, body, ...witness() }));
  };

  const attest = async (nonce: string): Promise<void> => {
    try {
      const body = encodeBody(await handlers.onAttest(nonce));
      send(channel.seal({ type: "attestation", body, ...witness() }));
    } catch (thrown) {
      handlers.onUnattested(toSondeError(thrown));
    }
  };

  const welcome = (body: WelcomeBody): void => {
    agreement = agreeOnProtocol(OWN_PROTOCOL, body.protocol ?? FIRST_PROTOCOL);
    hubHead = body.auditHead;
    handlers.onWelcome(body, agreement, sessionId);
    // A hub of release 0.1.0 offers no protocol and refuses a hello that does.
    const offer = body.protocol === undefined ? {} : { protocol: OWN_PROTOCOL };
    const hello = encodeBody({ ...handlers.buildHello(body.agentHead ?? null), ...offer });
    send(channel.seal({ type: "hello", body: hello, ...witness() }));
    sendApprovals();
    sendWitness();
  };

  /** Refuses one message that this release does not understand. The session goes on. */
  const refuse = ({ seq, callId }: EnvelopeHeader, { code, message }: SondeError): void => {
    handlers.onUnsupported(message);
    if (agreement === null || agreement.protocol < 2) return;
    const refused: RefusedBody = { seq, failure: { code, message } };
    const body = encodeBody(refused);
    send(channel.seal({ type: "refused", body, ...(callId !== null && { callId }), ...witness() }));
  };

  return {
    sendPackReport() {
      if (agreement !== null) sendPackReport();
    },
    tellChanged() {
      if (agreement?.features.has(ATTESTATION) !== true) return;
      send(channel.seal({ type: "host-changed", body: encodeBody({}), ...witness() }));
    },
    receive(frame) {
      const { header, body, bytes, envelope } = channel.open(frame);
      if (header.peerHead !== null) handlers.onHeadRepeated(envelope);
      let message: HubMessage;
      try {
        message = readHubMessage(header.type, body);
      } catch (thrown) {
        const error = toSondeError(thrown);
        if (error.code !== "PROTOCOL_UNSUPPORTED" || agreement === null) throw error;
        return refuse(header, error);
      }
      if ((message.type === "welcome") !== (agreement === null)) {
        throw new SondeError("ENVELOPE_INVALID", `expected no ${message.type} message now`);
      }
      switch (message.type) {
        case "welcome":
          return welcome(message.body);
        case "desired-state":
          return handlers.onDesiredState(message.body);
        case "certificate":
          return handlers.onCertificate(message.body.certificate);
        case "checkpoint":
          handlers.onCheckpoint(message.body);
          return sendWitness();
        case "key-set":
          return channel.expectKey(handlers.onKeySet(message.body.keySet));
        case "hub-grants": {
          const kept = { envelope, body: bytes.toString("base64") };
          return handlers.onHubGrants(message.body, kept);
        }
        case "call":
          return void answer(
            buildCall(header, message.body, agreement?.protocol ?? FIRST_PROTOCOL.max),
          );
        case "cancel":
          if (header.callId !== null) handlers.onCancel(header.callId);
          return;
        case "attest":
          return void attest(message.body.nonce);
        case "refused":
          return handlers.onUnsupported(message.body.failure.message);
      }
    },
  };
}

/**
 * Builds a call from the header, since the header is signed and kept as evidence. The
 * body must not contradict the header.
 */
function buildCall(header: EnvelopeHeader, body: CallBody, protocol: number): Call {
  const { probe, params, timeoutMs, askedBy = null, sendReads = false } = body;
  const { callId, principal, packDigest, policyHash } = header;
  if (callId === null || header.probe !== probe) {
    throw new SondeError("ENVELOPE_INVALID", "expected a call whose header names it and its probe");
  }
  const tellsDigests = protocol > FIRST_PROTOCOL.max;
  return {
    ...{ callId, principal, askedBy, probe, packDigest, policyHash },
    ...{ params, timeoutMs, tellsDigests, sendReads },
  };
}

/** @throws SondeError HUB_UNTRUSTED when TLS gives the connection no channel binding */
export function bindSession(socket: TLSSocket, hubNonce: unknown, agentNonce: Buffer): string {
  if (socket.getProtocol() !== "TLSv1.3" || !socket.authorized) {
    throw new SondeError("HUB_UNTRUSTED", "expected an authenticated TLS 1.3 connection");
  }
  if (typeof hubNonce !== "string" || !/^[A-Za-z0-9_-]{43}$/.test(hubNonce)) {
    throw new SondeError("HUB_UNTRUSTED", "expected the header Sonde-Nonce of 32 bytes");
  }
  const exporter = socket.exportKeyingMaterial(
    CHANNEL_BINDING_BYTES,
    CHANNEL_BINDING_LABEL,
    Buffer.alloc(0),
  );
  return deriveSessionId(exporter, Buffer.from(hubNonce, "base64url"), agentNonce);
}
