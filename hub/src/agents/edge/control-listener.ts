import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import {
  agentUri,
  CLOCK_HEADER,
  encodeBody,
  KEY_SET_HEADER,
  type LogHead,
  PROTOCOL_HEADER,
  SEEN_CHECKPOINT_HEADER,
  SEEN_HEAD_HEADER,
} from "@sonde/schemas/wire";
import { createRateLimit, createRefusalCounts } from "@sonde/service";
import {
  CHANNEL_BINDING_BYTES,
  CHANNEL_BINDING_LABEL,
  deriveSessionId,
  keyIdOf,
  NONCE_BYTES,
} from "@sonde/trust/envelope";
import { WebSocketServer } from "ws";
import { type Admitted, type SessionOptions, startSession } from "./agent-session.ts";
import type { ListedCertificate } from "./enrolment-store.ts";
import { paceConnections } from "./pace-connections.ts";

/** A result has at most 1 MiB. A report of two versions of every pack has at most 2.5 MiB. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 10_000;
/** Rate limit for each certificate. A refused agent retries at most once a minute. */
const REFUSALS = { perMinute: 10, atOnce: 20 };
/**
 * Rate limit for each certificate that is taken. Every visit is recorded, and may cost the next
 * certificate. An honest agent comes once, and again when the network failed.
 */
const VISITS = { perMinute: 30, atOnce: 100 };

export type ControlListener = {
  /** Does not listen yet. */
  server: Server;
  /** Records the pending refusal counts, so that a stop loses none. */
  close(): Promise<void>;
};

/**
 * Creates the agents' control listener: TLS 1.3 with a client certificate of the hub's CA that is
 * on the allow list, one WebSocket for each agent, every message signed.
 */
export function createControlListener(options: SessionOptions): ControlListener {
  const { server: own, authority } = options.keys;
  const server = createServer({
    cert: own.certificate,
    key: own.privateKey,
    ca: [authority],
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    pauseOnConnect: true,
    // A list of names would cost each connection 34 KiB: Node copies it into a slab of 64 KiB.
    ALPNCallback: ({ protocols }) => protocols.find((name) => name === "http/1.1"),
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.headersTimeout = HANDSHAKE_TIMEOUT_MS;
  paceConnections(server);
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
  });
  const admissions = new WeakMap<IncomingMessage, Admitted>();
  sockets.on("headers", (headers, request) => {
    const admitted = admissions.get(request);
    if (admitted === undefined) return;
    headers.push(`Sonde-Nonce: ${admitted.hubNonce.toString("base64url")}`);
    if (!admitted.followsKeySets) return;
    // Before the first message: the agent may not know the key that signs it.
    const keySet = encodeBody(admitted.held.envelope).toString("base64url");
    headers.push(`${KEY_SET_HEADER}: ${keySet}`);
  });

  server.on("request", (_request, response) => {
    response.writeHead(404).end();
  });
  const refusals = createRefusalCounts({ event: "agent.refused", ...options });
  const patience = createRateLimit(REFUSALS, options.elapsed);
  const visits = createRateLimit(VISITS, options.elapsed);
  const refuse = (thrown: unknown, socket: TLSSocket): void => {
    const error = toSondeError(thrown);
    if (error.code === "INTERNAL") options.report(error);
    refusals.add(addressOf(socket), error.code, agentOf(options, socket));
    patience.take(limitKeyOf(socket));
    const status = error.code === "INTERNAL" ? "500 Internal Server Error" : "401 Unauthorized";
    // The peer may keep its half of the connection open, so close both halves.
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
      socket.destroy(),
    );
  };
  server.on("upgrade", (request: IncomingMessage, duplex: Duplex, head: Buffer) => {
    const socket = duplex as TLSSocket;
    socket.on("error", options.report);
    // Drop a rate-limited client before any work.
    const visitor = limitKeyOf(socket);
    if (patience.waitMs(visitor) > 0 || visits.take(visitor) > 0) {
      refusals.add(addressOf(socket), "TOO_MANY_ATTEMPTS", agentOf(options, socket));
      return socket.destroy();
    }
    admit(options, request, socket)
      .then((admitted) => {
        admissions.set(request, admitted);
        sockets.handleUpgrade(request, socket, head, (webSocket) =>
          startSession(options, admitted, webSocket),
        );
      })
      .catch((thrown: unknown) => refuse(thrown, socket));
  });
  return { server, close: () => refusals.close() };
}

function addressOf(socket: TLSSocket): string {
  return socket.remoteAddress ?? "unknown";
}

/** The name of the agent that the client certificate, which TLS verified, was issued for. */
function agentOf({ directory, keys }: SessionOptions, socket: TLSSocket): string | undefined {
  const uri = socket.getPeerX509Certificate()?.subjectAltName ?? "";
  const anyAgent = `URI:${agentUri(keys.hubId, "")}`;
  if (!uri.startsWith(anyAgent)) return undefined;
  return directory.agentById(uri.slice(anyAgent.length))?.name;
}

/**
 * The rate limit counts a certificate at an address. A stolen certificate that is used elsewhere must
 * not lock out the agent that it belongs to.
 */
function limitKeyOf(socket: TLSSocket): string {
  return `${socket.getPeerX509Certificate()?.serialNumber ?? "none"} ${addressOf(socket)}`;
}

async function admit(
  options: SessionOptions,
  request: IncomingMessage,
  socket: TLSSocket,
): Promise<Admitted> {
  const nonce = request.headers["sonde-nonce"];
  if (request.url !== "/control" || typeof nonce !== "string" || !/^[\w-]{43}$/.test(nonce)) {
    throw new SondeError("BAD_REQUEST", "expected GET /control with a Sonde-Nonce");
  }
  const identified = await identify(options, socket);
  const lease = await options.copies.lease(identified);
  // Releases the lease also when no session begins. A destroyed socket emits no further `close`.
  const release = () => void lease.release().catch(options.report);
  socket.once("close", release);
  if (socket.destroyed) release();
  // Check again: the key may have changed during `lease`, or the agent been locked. From here on the
  // lease hears of changes.
  const seen = request.headers[SEEN_HEAD_HEADER.toLowerCase()];
  const seenCheckpoint = readSize(request.headers[SEEN_CHECKPOINT_HEADER.toLowerCase()]);
  const [again, auditHead, seenHead, checkpoint, agentHead] = await Promise.all([
    identify(options, socket),
    options.auditLog.readHead(),
    readSeen(options, seen),
    seenCheckpoint === null ? null : options.stateCheckpoint(seenCheckpoint),
    options.witnesses.read(identified.agentId),
  ]);
  await options.copies.keep(again);
  const hubNonce = randomBytes(NONCE_BYTES);
  const exporter = socket.exportKeyingMaterial(
    CHANNEL_BINDING_BYTES,
    CHANNEL_BINDING_LABEL,
    Buffer.alloc(0),
  );
  const sessionId = deriveSessionId(exporter, hubNonce, Buffer.from(nonce, "base64url"));
  const understandsOffers = request.headers[PROTOCOL_HEADER.toLowerCase()] !== undefined;
  const followsKeySets = request.headers[KEY_SET_HEADER.toLowerCase()] !== undefined;
  const clock = readSize(request.headers[CLOCK_HEADER.toLowerCase()]);
  const skewMs = clock === null ? null : clock - options.now().getTime();
  return {
    ...{ ...identified, lease, sessionId, hubNonce, auditHead, seenHead, skewMs },
    ...{ understandsOffers, followsKeySets, held: options.keys.signing.held() },
    ...{ checkpoint, seenCheckpoint, agentHead },
  };
}

/** A whole number in a header; null for none. */
function readSize(named: unknown): number | null {
  return /^[0-9]{1,15}$/.test(String(named)) ? Number(named) : null;
}

/**
 * Returns this hub's own entry where the agent saw one, so that the agent notices when the hub went
 * back in time (attack 67).
 */
async function readSeen(
  { auditLog }: SessionOptions,
  named: unknown,
): Promise<LogHead | null | undefined> {
  const size = /^([0-9]{1,15}) sha256:[0-9a-f]{64}$/.exec(String(named))?.[1];
  if (size === undefined) return undefined;
  const hash = await auditLog.readHash(Number(size));
  return hash === null ? null : { size: Number(size), hash };
}

/**
 * Returns the agent behind the client certificate. TLS verified the chain; the certificate must
 * also be on the allow list.
 *
 * @throws SondeError CERTIFICATE_REFUSED, AGENT_LOCKED
 */
async function identify(options: SessionOptions, socket: TLSSocket): Promise<ListedCertificate> {
  const certificate = socket.getPeerX509Certificate();
  if (!socket.authorized || certificate === undefined) {
    throw new SondeError("CERTIFICATE_REFUSED", "expected a client certificate of this hub");
  }
  const found = await options.enrolments.findCertificate(
    certificate.serialNumber.toLowerCase(),
    keyIdOf(certificate.publicKey),
    options.now(),
  );
  const expected = found && `URI:${agentUri(options.keys.hubId, found.agentId)}`;
  if (found === null || certificate.subjectAltName !== expected) {
    throw new SondeError("CERTIFICATE_REFUSED", "the certificate is not on the allow-list");
  }
  options.copies.requireUnlocked(found);
  return found;
}
