import { SondeError, toSondeError } from "@sonde/schemas/errors";
import {
  ASKED_BY,
  type AgentMessage,
  type Agreement,
  type ApprovalsBody,
  type AttestationBody,
  CANCEL,
  CHECKPOINTS,
  type EnvelopeHeader,
  FIRST_PROTOCOL,
  HUB_GRANTS,
  type HelloBody,
  type HubGrantsBody,
  type LogHead,
  MAX_READS_BYTES,
  OWN_PROTOCOL,
  PROTOCOL_CLOSE_CODE,
  type PackReportBody,
  READS,
  REFUSED_CLOSE_CODE,
  type RefusedBody,
  type ResultBody,
  type WitnessBody,
  agreeOnProtocol,
  cutCloseReason,
  encodeBody,
  encodeFrame,
  readAgentMessage,
} from "@sonde/schemas/wire";
import type { Channel, Incoming, KeptMessage, Outgoing } from "@sonde/trust/envelope";
import type { RawData, WebSocket } from "ws";
import type { AgentAnswer, AgentCall, AgentLink } from "../core/agent-link-port.ts";

/** Open calls of one agent. Further calls are refused as AGENT_BUSY. */
const MAX_OPEN_CALLS = 256;
/**
 * Unknown messages, and refusals of what is no call, in a session. Each is an audit row; an agent
 * of another release sends only a few.
 */
const MAX_UNSUPPORTED = 100;
/** Bytes of reads that wait for their answers. An agent sends both at once, so few wait. */
const MAX_WAITING_READS = 16 * 1024 * 1024;
/** How long the agent has to close a session that the hub ended: a revoked one is gone within a second. */
const CLOSE_MS = 500;
const PING_EVERY_MS = 15_000;
/** How long the hub waits beyond the agent's own time limit. */
const GRACE_MS = 2_000;

/** An answer as evidence: what was signed, byte by byte. */
export type SignedAnswer = {
  body: Buffer;
  /** Frame of the order that it answers; null when that must not be kept. */
  order: Buffer | null;
  /** Frame of the message with what the pack got of its reads; null when the agent sent none. */
  reads: Buffer | null;
};

export type LinkEvents = {
  /** The session begins: both sides have agreed on a protocol. */
  onHello(body: HelloBody, agreement: Agreement): void;
  onPackReport(body: PackReportBody): void;
  /** What is granted on the agent's host. */
  onApprovals(body: ApprovalsBody): void;
  /** Called with the agent's audit head of each answer, a late one too. */
  onStatedHead(head: LogHead): void;
  /** Called with each answer that was waited for. */
  onResult(callId: string, answer: SignedAnswer): void;
  /** Whether agents are asked for what packs read, to keep it as evidence. */
  keepsReads(): boolean;
  /** @throws SondeError for a statement that nobody asked for; it ends the session */
  onAttestation(body: AttestationBody, message: KeptMessage): void;
  /** The agent says which signed head of the hub's log it keeps, in this message. */
  onWitness(body: WitnessBody, message: KeptMessage): void;
  /** The agent's next statement will differ. */
  onHostChanged(): void;
  /** One side sent a message that the other does not understand. The session goes on. */
  onUnsupported(message: string): void;
  /** Called once, at the end. `refusal` is set when one side refused a message of the other. */
  onClose(refusal: SondeError | null): void;
};

type OpenCall = {
  resolve(answer: AgentAnswer): void;
  reject(error: SondeError): void;
  timer: NodeJS.Timeout;
  order: Buffer | null;
  /** True once the agent may send what was read, until it did. */
  asksReads: boolean;
  reads: Buffer | null;
};

/**
 * Serves one agent's session over an authenticated WebSocket. A message that does not verify ends
 * the session and gets no answer.
 */
export function createAgentLink(
  socket: WebSocket,
  channel: Channel,
  events: LinkEvents,
): AgentLink {
  const open = new Map<string, OpenCall>();
  let refusal: SondeError | null = null;
  /** Null until the agent's hello. */
  let agreement: Agreement | null = null;
  /** The head of the agent's audit log as it last stated it. Each message to it repeats that. */
  let agentHead: LogHead | null = null;
  let unsupported = 0;
  /** What the agent was sent last of these. */
  let grants: HubGrantsBody | null = null;
  let alive = true;
  let closing = false;

  const heartbeat = setInterval(() => {
    if (!alive) return socket.terminate();
    alive = false;
    socket.ping();
  }, PING_EVERY_MS);
  socket.on("pong", () => {
    alive = true;
  });

  socket.on("message", (data, isBinary) => {
    // The session is over; ignore late messages.
    if (closing) return;
    try {
      if (!isBinary)
        throw new SondeError("ENVELOPE_INVALID", "expected a binary message, got text");
      receive(channel.open(toBuffer(data)));
    } catch (thrown) {
      refusal = toSondeError(thrown);
      closing = true;
      if (refusal.code === "PROTOCOL_UNSUPPORTED") end(PROTOCOL_CLOSE_CODE, refusal.message);
      else socket.terminate();
    }
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", (code) => {
    clearInterval(heartbeat);
    // Do not repeat the agent's close reason: any holder of a certificate chooses its words.
    if (code === PROTOCOL_CLOSE_CODE) {
      refusal ??= new SondeError(
        "PROTOCOL_UNSUPPORTED",
        "the agent speaks no protocol of this hub",
      );
    }
    if (code === REFUSED_CLOSE_CODE) {
      refusal ??= new SondeError("HUB_ROLLED_BACK", "the agent saw a later state of this hub");
    }
    for (const call of open.values()) {
      clearTimeout(call.timer);
      call.reject(
        new SondeError("CALL_OUTCOME_UNKNOWN", "the link to the agent broke before it answered"),
      );
    }
    open.clear();
    events.onClose(refusal);
  });

  /** Answers that are ready at the same time may come in another order than their entries. */
  function noteHead(head: LogHead): void {
    if (agentHead === null || head.size > agentHead.size) agentHead = head;
  }

  /** @returns the frame that was sent */
  function send(message: Outgoing): Buffer {
    const witness = agentHead === null ? {} : { peerHead: agentHead };
    const frame = channel.seal({ ...message, ...witness });
    socket.send(frame);
    return frame;
  }

  function end(code: number, reason: string): void {
    closing = true;
    socket.close(code, cutCloseReason(reason));
    setTimeout(() => socket.terminate(), CLOSE_MS).unref();
  }

  function receive({ header, body, bytes, envelope }: Incoming): void {
    const kept = () => ({ envelope, body: bytes.toString("base64") });
    let message: AgentMessage;
    try {
      message = readAgentMessage(header.type, body);
    } catch (thrown) {
      const error = toSondeError(thrown);
      if (error.code !== "PROTOCOL_UNSUPPORTED" || agreement === null) throw error;
      return refuse(header, error);
    }
    switch (message.type) {
      case "hello":
        if (agreement !== null) {
          throw new SondeError("ENVELOPE_INVALID", "expected one hello in a session, got two");
        }
        noteHead(message.body.auditHead);
        agreement = agreeOnProtocol(OWN_PROTOCOL, message.body.protocol ?? FIRST_PROTOCOL);
        return events.onHello(message.body, agreement);
      case "pack-report":
        noteHead(message.body.auditHead);
        return events.onPackReport(message.body);
      case "approvals":
        return events.onApprovals(message.body);
      case "attestation":
        return events.onAttestation(message.body, kept());
      case "witness":
        return events.onWitness(message.body, kept());
      case "host-changed":
        return events.onHostChanged();
      case "reads":
        return keepReads(header, { envelope, bytes });
      case "result":
        noteHead(message.body.auditHead);
        return settle(header, message.body, { envelope, bytes });
      case "refused":
        return giveUp(header, message.body);
    }
  }

  /** Refuses one message that this release does not understand. The session goes on. */
  function refuse({ seq, callId }: EnvelopeHeader, { code, message }: SondeError): void {
    countUnsupported(message);
    if (agreement === null || agreement.protocol < 2) return;
    const refused: RefusedBody = { seq, failure: { code, message } };
    const body = encodeBody(refused);
    send({ type: "refused", body, ...(callId !== null && { callId }) });
  }

  function countUnsupported(message: string): void {
    unsupported += 1;
    if (unsupported > MAX_UNSUPPORTED) {
      throw new SondeError(
        "ENVELOPE_INVALID",
        `expected at most ${MAX_UNSUPPORTED} messages that this release does not know, got more`,
      );
    }
    events.onUnsupported(message);
  }

  /**
   * Handles the agent's refusal of a message. If the message was a call, the call fails. There are
   * never more of those than calls, so only refusals of anything else are bounded.
   */
  function giveUp({ callId }: EnvelopeHeader, { failure }: RefusedBody): void {
    const call = callId === null ? undefined : takeOpenCall(callId);
    if (call === undefined) return countUnsupported(failure.message);
    events.onUnsupported(failure.message);
    call.reject(
      new SondeError("PROTOCOL_UNSUPPORTED", "the agent's release does not understand this call"),
    );
  }

  function takeOpenCall(callId: string): OpenCall | undefined {
    const call = open.get(callId);
    clearTimeout(call?.timer);
    open.delete(callId);
    return call;
  }

  /** Of a call that asked for them, and that still waits. Nothing else of it is kept. */
  function keepReads(
    { callId }: EnvelopeHeader,
    { envelope, bytes }: Pick<Incoming, "envelope" | "bytes">,
  ): void {
    if (bytes.length > MAX_READS_BYTES) {
      throw new SondeError(
        "ENVELOPE_INVALID",
        `expected reads of at most ${MAX_READS_BYTES} bytes, got ${bytes.length}`,
      );
    }
    const call = callId === null ? undefined : open.get(callId);
    if (call?.asksReads !== true) return;
    const waiting = [...open.values()].reduce((sum, { reads }) => sum + (reads?.length ?? 0), 0);
    if (waiting + bytes.length > MAX_WAITING_READS) return;
    call.asksReads = false;
    call.reads = encodeFrame(envelope, bytes);
  }

  function settle(
    header: EnvelopeHeader,
    result: ResultBody,
    { envelope, bytes }: Pick<Incoming, "envelope" | "bytes">,
  ): void {
    if (header.callId !== result.callId) {
      throw new SondeError("ENVELOPE_INVALID", "expected one call id in header and body, got two");
    }
    events.onStatedHead(result.auditHead);
    // A late answer finds no open call. The agent's own log still has it.
    const call = takeOpenCall(result.callId);
    if (call === undefined) return;
    const { order, reads } = call;
    events.onResult(result.callId, { body: bytes, order, reads });
    call.resolve({ body: result, envelope, bytes: bytes.length });
  }

  function sendGrants(): void {
    if (grants === null || agreement?.features.has(HUB_GRANTS) !== true) return;
    send({ type: "hub-grants", body: encodeBody(grants) });
  }

  function cancelCall(callId: string, why: SondeError): void {
    const call = takeOpenCall(callId);
    if (call === undefined) return;
    call.reject(why);
    if (agreement?.features.has(CANCEL) !== true) return;
    send({ type: "cancel", callId, body: encodeBody({}) });
  }

  return {
    call(request: AgentCall) {
      if (closing || socket.readyState !== socket.OPEN) {
        return Promise.reject(new SondeError("AGENT_OFFLINE", "the agent's session is ending"));
      }
      if (open.size >= MAX_OPEN_CALLS) {
        return Promise.reject(
          new SondeError("AGENT_BUSY", `${MAX_OPEN_CALLS} calls are waiting on this agent already`),
        );
      }
      return new Promise((resolve, reject) => {
        const limitMs = request.body.timeoutMs + GRACE_MS;
        const timer = setTimeout(() => {
          open.delete(request.callId);
          reject(
            new SondeError("CALL_TIMEOUT", `expected an answer within ${limitMs} ms, got none`),
          );
        }, limitMs);
        const asksReads = agreement?.features.has(READS) === true && events.keepsReads();
        const waiting: OpenCall = { resolve, reject, timer, order: null, asksReads, reads: null };
        open.set(request.callId, waiting);
        const { callId, principal, packDigest, policyHash } = request;
        const { probe } = request.body;
        const tells = agreement?.features.has(ASKED_BY) === true && request.askedBy !== undefined;
        const body = encodeBody({
          ...request.body,
          ...(tells && { askedBy: request.askedBy }),
          ...(asksReads && { sendReads: true }),
        });
        const order = send({
          type: "call",
          callId,
          principal,
          probe,
          packDigest,
          policyHash,
          body,
        });
        if (request.isPlain === true) waiting.order = order;
      });
    },
    sendDesiredState(body) {
      send({ type: "desired-state", body: encodeBody(body) });
    },
    sendGrants(body) {
      grants = body;
      sendGrants();
    },
    sendCertificate(certificate) {
      const body = encodeBody({ certificate });
      send({ type: "certificate", body });
    },
    sendCheckpoint(body) {
      if (agreement?.features.has(CHECKPOINTS) !== true) return;
      send({ type: "checkpoint", body: encodeBody(body) });
    },
    cancelCall,
    cancelCalls(why) {
      for (const callId of open.keys()) cancelCall(callId, why);
    },
    attest(nonce) {
      send({ type: "attest", body: encodeBody({ nonce }) });
    },
    sendKeySet(keySet, signer) {
      send({ type: "key-set", body: encodeBody({ keySet }) });
      channel.signWith(signer);
      // The agent keeps the message, and goes by keys of the newest set.
      sendGrants();
    },
    ping(timeoutMs) {
      return new Promise((resolve) => {
        const answer = (value: boolean) => () => {
          clearTimeout(timer);
          socket.off("pong", onPong);
          resolve(value);
        };
        const onPong = answer(true);
        const timer = setTimeout(answer(false), timeoutMs);
        socket.on("pong", onPong);
        socket.ping();
      });
    },
    close: (reason) => end(1001, reason),
  };
}

function toBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
