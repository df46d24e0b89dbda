import { createPublicKey } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { SondeError } from "@sonde/schemas/errors";
import {
  type DesiredStateBody,
  type HelloBody,
  type LogHead,
  type PackReportBody,
  type ResultBody,
  type WelcomeBody,
  parseCallBody,
  parseCertificateBody,
  parseDesiredStateBody,
  parseWelcomeBody,
} from "@sonde/schemas/wire";
import {
  CHANNEL_BINDING_BYTES,
  CHANNEL_BINDING_LABEL,
  type Channel,
  type Incoming,
  createChannel,
  createSigningKey,
  deriveSessionId,
} from "@sonde/trust/envelope";
import type { Call } from "../../core/run-probe.ts";
import type { Identity } from "../store/identity.ts";

/** What a session asks of the agent. */
export type SessionHandlers = {
  onWelcome: (body: WelcomeBody) => void;
  buildHello: () => HelloBody;
  buildPackReport: () => PackReportBody;
  onDesiredState: (body: DesiredStateBody) => void;
  /** The hub's next certificate for this agent's key. @throws SondeError when it is no such thing */
  onCertificate: (certificate: string) => void;
  /** Answers every call, also a refused one; never rejects. */
  onCall: (call: Call) => Promise<ResultBody>;
};

/** One authenticated connection; after anything is thrown it must be closed. */
export type Session = {
  /** @throws SondeError ENVELOPE_* */
  receive(frame: Buffer): void;
  sendPackReport(): void;
};

/**
 * Speaks the protocol over one TLS connection: the hub's welcome first, then
 * desired states and calls in any order.
 *
 * @param send puts one frame on the wire, or drops it when the connection is gone
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
  let welcomed = false;

  const witness = () => (hubHead === null ? {} : { peerHead: hubHead });

  const sendPackReport = (): void => {
    send(channel.seal({ type: "pack-report", body: handlers.buildPackReport(), ...witness() }));
  };

  const answer = async (call: Call): Promise<void> => {
    const body = await handlers.onCall(call);
    send(channel.seal({ type: "result", callId: call.callId, body, ...witness() }));
  };

  return {
    sendPackReport() {
      if (welcomed) sendPackReport();
    },
    receive(frame) {
      const message = channel.open(frame);
      if (message.header.type === "welcome" && !welcomed) {
        const body = parseWelcomeBody(message.body);
        hubHead = body.auditHead;
        welcomed = true;
        handlers.onWelcome(body);
        send(channel.seal({ type: "hello", body: handlers.buildHello(), ...witness() }));
        return;
      }
      if (message.header.type === "desired-state" && welcomed) {
        handlers.onDesiredState(parseDesiredStateBody(message.body));
        return;
      }
      if (message.header.type === "certificate" && welcomed) {
        handlers.onCertificate(parseCertificateBody(message.body).certificate);
        return;
      }
      if (message.header.type === "call" && welcomed) {
        void answer(buildCall(message));
        return;
      }
      throw new SondeError("ENVELOPE_INVALID", `expected no ${message.header.type} message now`);
    },
  };
}

/** The header is what was signed and kept as evidence: the body may not say anything else. */
function buildCall({ header, body }: Incoming): Call {
  const { probe, params, timeoutMs } = parseCallBody(body);
  const { callId, principal, packDigest, policyHash } = header;
  if (callId === null || header.probe !== probe) {
    throw new SondeError("ENVELOPE_INVALID", "expected a call whose header names it and its probe");
  }
  return { callId, principal, probe, packDigest, policyHash, params, timeoutMs };
}

/** @throws SondeError HUB_UNTRUSTED when the connection cannot be bound to a session */
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
