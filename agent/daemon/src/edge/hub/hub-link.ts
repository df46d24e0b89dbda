import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import {
  OWN_PROTOCOL,
  PROTOCOL_CLOSE_CODE,
  PROTOCOL_HEADER,
  cutCloseReason,
} from "@sonde/schemas/wire";
import { NONCE_BYTES } from "@sonde/trust/envelope";
import { WebSocket } from "ws";
import { backOffMs } from "../../core/back-off.ts";
import type { Log } from "../log.ts";
import type { Identity } from "../store/identity.ts";
import { type Session, type SessionHandlers, bindSession, createSession } from "./session.ts";

/** The agent's connection to its hub. Reconnects until closed. */
export type HubLink = {
  /** Unix time in ms at which the present connection was made; null while disconnected. */
  connectedSince(): number | null;
  /**
   * Sends the packs' present states to a connected hub. A hub that connects later gets
   * them in the hello.
   */
  reportPacks(): void;
  close(): void;
};

export type HubLinkOptions = {
  /** The present identity. Its certificate may be renewed while the agent runs. */
  identity: () => Identity;
  handlers: SessionHandlers;
  /** Called when a session ended because the agent refused the hub or a message of the hub. */
  onRefused: (why: SondeError) => void;
  log: Log;
  now: () => number;
};

const HANDSHAKE_MS = 10_000;
/** The hub pings every 15 s. After three missed pings the connection counts as lost. */
const SILENCE_MS = 45_000;
/** A desired state of 100 packs takes 15 KiB; a call takes less. */
const MAX_FRAME_BYTES = 512 * 1024;

export function createHubLink(options: HubLinkOptions): HubLink {
  let closed = false;
  let attempt = 0;
  let retryTimer: NodeJS.Timeout | undefined;
  let connection: Connection | null = null;

  const connect = (): void => {
    connection = openConnection(options, {
      onSession: () => {
        attempt = 0;
      },
      onEnd: () => {
        connection = null;
        if (closed) return;
        const delay = backOffMs(attempt, Math.random());
        attempt += 1;
        retryTimer = setTimeout(connect, delay);
      },
    });
  };
  connect();

  return {
    connectedSince: () => connection?.since() ?? null,
    reportPacks: () => connection?.reportPacks(),
    close() {
      closed = true;
      clearTimeout(retryTimer);
      connection?.end();
    },
  };
}

type Connection = { since(): number | null; reportPacks(): void; end(): void };

/** Makes one connection attempt. Reports the end of the connection exactly once. */
function openConnection(
  options: HubLinkOptions,
  tell: { onSession: () => void; onEnd: () => void },
): Connection {
  const identity = options.identity();
  const agentNonce = randomBytes(NONCE_BYTES);
  const socket = openSocket(identity, agentNonce);
  let session: Session | null = null;
  let since: number | null = null;
  let ended = false;
  let refused = false;

  const refuse = (thrown: unknown): void => {
    refused = true;
    const error = toSondeError(thrown);
    options.onRefused(error);
    // The hub's operator can act on this refusal, so it is the only one sent in words.
    if (error.code === "PROTOCOL_UNSUPPORTED") {
      socket.close(PROTOCOL_CLOSE_CODE, cutCloseReason(error.message));
    } else socket.terminate();
  };
  const silence = setTimeout(() => socket.terminate(), SILENCE_MS);
  const send = (frame: Buffer): void => {
    if (socket.readyState === WebSocket.OPEN) socket.send(frame, { binary: true });
  };
  const welcomed = (): void => {
    since = options.now();
    tell.onSession();
  };

  socket.on("upgrade", (response: IncomingMessage) => {
    try {
      if (!(response.socket instanceof TLSSocket)) {
        throw new SondeError("HUB_UNTRUSTED", "expected a TLS connection");
      }
      const id = bindSession(response.socket, response.headers["sonde-nonce"], agentNonce);
      const handlers: SessionHandlers = {
        ...options.handlers,
        onWelcome(body, agreement) {
          welcomed();
          options.handlers.onWelcome(body, agreement);
        },
      };
      session = createSession(identity, id, handlers, send, options.now);
    } catch (thrown) {
      refuse(thrown);
    }
  });
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    // The session ended with the refusal, so later frames are ignored.
    if (refused) return;
    silence.refresh();
    try {
      if (!isBinary || session === null) {
        throw new SondeError("ENVELOPE_INVALID", "expected one envelope in a binary message");
      }
      session.receive(data);
    } catch (thrown) {
      refuse(thrown);
    }
  });
  socket.on("ping", () => silence.refresh());
  socket.on("error", (error) => options.log("hub.error", { reason: reasonOf(error) }));
  socket.on("close", () => {
    if (ended) return;
    ended = true;
    since = null;
    clearTimeout(silence);
    tell.onEnd();
  });

  return {
    since: () => since,
    reportPacks: () => session?.sendPackReport(),
    end: () => socket.close(1000),
  };
}

function openSocket(identity: Identity, agentNonce: Buffer): WebSocket {
  const socket = new WebSocket(`wss://${identity.controlAddress}/control`, {
    headers: {
      "Sonde-Nonce": agentNonce.toString("base64url"),
      [PROTOCOL_HEADER]: `${OWN_PROTOCOL.min}-${OWN_PROTOCOL.max}`,
    },
    // Trusts the CA pinned at enrolment only, never the machine's CA list.
    ca: [identity.ca],
    cert: identity.certificate,
    key: identity.key.export({ format: "pem", type: "pkcs8" }),
    minVersion: "TLSv1.3",
    rejectUnauthorized: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
    handshakeTimeout: HANDSHAKE_MS,
    followRedirects: false,
  });
  socket.binaryType = "nodebuffer";
  return socket;
}

function reasonOf(error: Error): string {
  return "code" in error ? String(error.code) : error.message.slice(0, 200);
}
