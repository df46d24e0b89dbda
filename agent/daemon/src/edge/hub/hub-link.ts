import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { type ErrorCode, SondeError, toSondeError } from "@sonde/schemas/errors";
import {
  CLOCK_HEADER,
  KEY_SET_HEADER,
  OWN_PROTOCOL,
  PROTOCOL_CLOSE_CODE,
  PROTOCOL_HEADER,
  REFUSED_CLOSE_CODE,
  SEEN_CHECKPOINT_HEADER,
  SEEN_HEAD_HEADER,
  cutCloseReason,
  parseDsseEnvelope,
} from "@sonde/schemas/wire";
import { NONCE_BYTES } from "@sonde/trust/envelope";
import { WebSocket } from "ws";
import { parseJson } from "@sonde/schemas/parse";
import type { HubView } from "../../core/hub-view.ts";
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
  /** Tells a connected hub that the agent's next statement will differ. */
  tellChanged(): void;
  close(): void;
};

export type HubLinkOptions = {
  /** The present identity. Its certificate may be renewed while the agent runs. */
  identity: () => Identity;
  hub: Pick<HubView, "commandKey" | "place" | "seenCheckpoint" | "seenHead" | "takeKeySet">;
  handlers: SessionHandlers;
  /** Is waited for before each connection. When it rejects, the next attempt comes later. */
  ensureCertificate: () => Promise<void>;
  /** Called when the hub's allow list refused the agent's certificate. */
  onRejected: () => void;
  /** Called when a session ended because the agent refused the hub or a message of the hub. */
  onRefused: (why: SondeError) => void;
  log: Log;
  now: () => number;
};

const CLOSE_CODES: ReadonlyMap<ErrorCode, number> = new Map<ErrorCode, number>([
  ["PROTOCOL_UNSUPPORTED", PROTOCOL_CLOSE_CODE],
  ["HUB_ROLLED_BACK", REFUSED_CLOSE_CODE],
]);
const HANDSHAKE_MS = 10_000;
/** What `ws` says of a hub's 401: TLS took the certificate, and the hub's allow list does not. */
const REJECTED = "Unexpected server response: 401";
/** The hub pings every 15 s. After three missed pings the connection counts as lost. */
const SILENCE_MS = 45_000;
/** A desired state of 100 packs takes 15 KiB; a call takes less. */
const MAX_FRAME_BYTES = 512 * 1024;

export function createHubLink(options: HubLinkOptions): HubLink {
  let closed = false;
  let attempt = 0;
  let retryTimer: NodeJS.Timeout | undefined;
  let connection: Connection | null = null;

  const retryLater = (): void => {
    connection = null;
    if (closed) return;
    const delay = backOffMs(attempt, Math.random());
    attempt += 1;
    retryTimer = setTimeout(connect, delay);
  };
  const open = (): void => {
    if (closed) return;
    connection = openConnection(options, {
      onSession: () => {
        attempt = 0;
      },
      onEnd: retryLater,
    });
  };
  function connect(): void {
    options.ensureCertificate().then(open, (thrown: unknown) => {
      const { code, message } = toSondeError(thrown);
      options.log("certificate.ended", { code, message });
      retryLater();
    });
  }
  connect();

  return {
    connectedSince: () => connection?.since() ?? null,
    reportPacks: () => connection?.reportPacks(),
    tellChanged: () => connection?.tellChanged(),
    close() {
      closed = true;
      clearTimeout(retryTimer);
      connection?.end();
    },
  };
}

type Connection = {
  since(): number | null;
  reportPacks(): void;
  tellChanged(): void;
  end(): void;
};

/** Makes one connection attempt. Reports the end of the connection exactly once. */
function openConnection(
  options: HubLinkOptions,
  tell: { onSession: () => void; onEnd: () => void },
): Connection {
  const identity = options.identity();
  const agentNonce = randomBytes(NONCE_BYTES);
  const socket = openSocket(identity, options, agentNonce);
  let session: Session | null = null;
  let since: number | null = null;
  let ended = false;
  let refused = false;

  const refuse = (thrown: unknown): void => {
    refused = true;
    const error = toSondeError(thrown);
    options.onRefused(error);
    // The hub's operator can act on these refusals, so they are the only ones sent in words.
    const closeCode = CLOSE_CODES.get(error.code);
    if (closeCode === undefined) socket.terminate();
    else socket.close(closeCode, cutCloseReason(error.message));
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
        onWelcome(body, agreement, sessionId) {
          options.handlers.onWelcome(body, agreement, sessionId);
          welcomed();
        },
      };
      takeOffered(options.hub, response);
      const peer = { ...identity, hubKey: options.hub.commandKey() };
      session = createSession(peer, id, handlers, send, options.now);
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
  socket.on("error", (error) => {
    options.log("hub.error", { reason: reasonOf(error) });
    if (error.message === REJECTED) options.onRejected();
  });
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
    tellChanged: () => session?.tellChanged(),
    end: () => socket.close(1000),
  };
}

/** The hub sends its key set before its first message, since the agent may not know who signs that. */
function takeOffered(hub: HubLinkOptions["hub"], { headers }: IncomingMessage): void {
  const offered = headers[KEY_SET_HEADER.toLowerCase()];
  // A hub of an earlier release sends none.
  if (typeof offered !== "string") return;
  const text = Buffer.from(offered, "base64url");
  hub.takeKeySet(parseDsseEnvelope(parseJson(text, "key set", "HUB_UNTRUSTED")));
}

function openSocket(
  identity: Identity,
  { hub, now }: Pick<HubLinkOptions, "hub" | "now">,
  agentNonce: Buffer,
): WebSocket {
  const seen = hub.seenHead();
  const socket = new WebSocket(`wss://${identity.controlAddress}/control`, {
    headers: {
      "Sonde-Nonce": agentNonce.toString("base64url"),
      [PROTOCOL_HEADER]: `${OWN_PROTOCOL.min}-${OWN_PROTOCOL.max}`,
      [KEY_SET_HEADER]: hub.place(),
      [CLOCK_HEADER]: String(now()),
      [SEEN_CHECKPOINT_HEADER]: String(hub.seenCheckpoint()?.size ?? 0),
      ...(seen !== null && { [SEEN_HEAD_HEADER]: `${seen.size} ${seen.hash}` }),
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
