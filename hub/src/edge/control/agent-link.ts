import { SondeError, toSondeError } from "@sonde/schemas/errors";
import {
  parseHelloBody,
  parsePackReportBody,
  parseResultBody,
  type HelloBody,
  type LogHead,
  type PackReportBody,
} from "@sonde/schemas/wire";
import type { Channel, Incoming } from "@sonde/trust/envelope";
import type { RawData, WebSocket } from "ws";
import type { AgentAnswer, AgentCall, AgentLink } from "../../core/fleet.ts";

/** Calls one agent may have open; more are refused as AGENT_BUSY. */
const MAX_OPEN_CALLS = 256;
/** How long the other side may take to end a session that we have ended. */
const CLOSE_MS = 1_000;
const PING_EVERY_MS = 15_000;
/** Time beyond the agent's own limit before the hub gives up. */
const GRACE_MS = 2_000;

export type LinkEvents = {
  onHello(body: HelloBody): void;
  onPackReport(body: PackReportBody): void;
  onAuditHead(head: LogHead): void;
  /** Once, at the end; `refusal` when the session was closed for a bad message. */
  onClose(refusal: SondeError | null): void;
};

type OpenCall = {
  resolve(answer: AgentAnswer): void;
  reject(error: SondeError): void;
  timer: NodeJS.Timeout;
};

/**
 * Serves one agent's session over an authenticated WebSocket. A message that
 * does not verify ends the session; it is never answered.
 */
export function createAgentLink(
  socket: WebSocket,
  channel: Channel,
  events: LinkEvents,
): AgentLink {
  const open = new Map<string, OpenCall>();
  let refusal: SondeError | null = null;
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
    // What comes after we said goodbye is of a session that is over.
    if (closing) return;
    try {
      if (!isBinary)
        throw new SondeError("ENVELOPE_INVALID", "expected a binary message, got text");
      receive(channel.open(toBuffer(data)));
    } catch (thrown) {
      refusal = toSondeError(thrown);
      socket.terminate();
    }
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    clearInterval(heartbeat);
    for (const call of open.values()) {
      clearTimeout(call.timer);
      call.reject(
        new SondeError("CALL_OUTCOME_UNKNOWN", "the link to the agent broke before it answered"),
      );
    }
    open.clear();
    events.onClose(refusal);
  });

  function receive(message: Incoming): void {
    switch (message.header.type) {
      case "hello":
        return events.onHello(parseHelloBody(message.body));
      case "pack-report":
        return events.onPackReport(parsePackReportBody(message.body));
      case "result":
        return settle(message);
      case "welcome":
      case "desired-state":
      case "call":
      case "certificate":
        throw new SondeError(
          "ENVELOPE_INVALID",
          `expected a message an agent sends, got ${message.header.type}`,
        );
    }
  }

  function settle({ header, body, envelope }: Incoming): void {
    const result = parseResultBody(body);
    if (header.callId !== result.callId) {
      throw new SondeError("ENVELOPE_INVALID", "expected one call id in header and body, got two");
    }
    events.onAuditHead(result.auditHead);
    const call = open.get(result.callId);
    // An answer after the hub gave up: the agent's own log still has it.
    if (call === undefined) return;
    clearTimeout(call.timer);
    open.delete(result.callId);
    call.resolve({ body: result, envelope });
  }

  return {
    call(request: AgentCall) {
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
        open.set(request.callId, { resolve, reject, timer });
        const { callId, principal, packDigest, policyHash, body } = request;
        const { probe } = body;
        socket.send(
          channel.seal({ type: "call", callId, principal, probe, packDigest, policyHash, body }),
        );
      });
    },
    sendDesiredState(body) {
      socket.send(channel.seal({ type: "desired-state", body }));
    },
    sendCertificate(certificate) {
      socket.send(channel.seal({ type: "certificate", body: { certificate } }));
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
    close(reason) {
      closing = true;
      socket.close(1001, reason);
      setTimeout(() => socket.terminate(), CLOSE_MS).unref();
    },
  };
}

function toBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
