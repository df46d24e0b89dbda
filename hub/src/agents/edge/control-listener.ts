import { createPublicKey, randomBytes } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { createTurns } from "@sonde/schemas/parse";
import { RELEASE } from "@sonde/schemas/release";
import {
  agentUri,
  OWN_PROTOCOL,
  PROTOCOL_HEADER,
  type PackReportBody,
  type RegistryHeadReport,
  encodeBody,
} from "@sonde/schemas/wire";
import { scrubSentence } from "@sonde/scrub";
import { createRateLimit } from "@sonde/service";
import {
  CHANNEL_BINDING_BYTES,
  CHANNEL_BINDING_LABEL,
  createChannel,
  deriveSessionId,
  keyIdOf,
  NONCE_BYTES,
} from "@sonde/trust/envelope";
import { WebSocketServer, type WebSocket } from "ws";
import { buildAuditRecord, createRefusalCounts } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import { type Lease, createAgentLink } from "../../links/index.ts";
import type { AgentChanges } from "./agent-changes.ts";
import { createRenewal } from "./certificate-renewal.ts";
import type { EnrolmentStore } from "./enrolment-store.ts";
import { createNewest } from "./keep-newest.ts";

/** A result has at most 1 MiB. A report of two versions of every pack has at most 2.5 MiB. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 10_000;
/** Rate limit for each certificate. A refused agent retries at most once a minute. */
const REFUSALS = { perMinute: 10, atOnce: 20 };

export type ControlOptions = Pick<
  Hub,
  "auditLog" | "directory" | "elapsed" | "keys" | "links" | "now" | "report"
> & {
  agents: AgentChanges;
  enrolments: EnrolmentStore;
  /** Is called with the registry's log head that an agent saw. */
  onRegistryHead: (agent: string, head: RegistryHeadReport) => Promise<void>;
};

export type ControlListener = {
  /** Does not listen yet. */
  server: Server;
  /** Records the pending refusal counts, so that a stop loses none. */
  close(): Promise<void>;
};

type Identified = { agentId: string; publicKey: string; expiresAt: Date };

/**
 * Creates the agents' control listener: TLS 1.3 with a client certificate of the hub's CA that is
 * on the allow list, one WebSocket for each agent, every message signed.
 */
export function createControlListener(options: ControlOptions): ControlListener {
  const { server: own, authority } = options.keys;
  const server = createServer({
    cert: own.certificate,
    key: own.privateKey,
    ca: [authority],
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.headersTimeout = HANDSHAKE_TIMEOUT_MS;
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
  });
  const nonces = new WeakMap<IncomingMessage, Buffer>();
  sockets.on("headers", (headers, request) => {
    headers.push(`Sonde-Nonce: ${nonces.get(request)?.toString("base64url") ?? ""}`);
  });

  server.on("request", (_request, response) => {
    response.writeHead(404).end();
  });
  const refusals = createRefusalCounts({ event: "agent.refused", ...options });
  const patience = createRateLimit(REFUSALS, options.elapsed);
  const refuse = (thrown: unknown, socket: TLSSocket): void => {
    const error = toSondeError(thrown);
    if (error.code === "INTERNAL") options.report(error);
    refusals.add(addressOf(socket), error.code);
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
    if (patience.waitMs(limitKeyOf(socket)) > 0) {
      refusals.add(addressOf(socket), "TOO_MANY_ATTEMPTS");
      return socket.destroy();
    }
    admit(options, request, socket)
      .then((admitted) => {
        nonces.set(request, admitted.hubNonce);
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

/**
 * The rate limit counts a certificate at an address. A stolen certificate that is used elsewhere must
 * not lock out the agent that it belongs to.
 */
function limitKeyOf(socket: TLSSocket): string {
  return `${socket.getPeerX509Certificate()?.serialNumber ?? "none"} ${addressOf(socket)}`;
}

type Admitted = Identified & {
  lease: Lease;
  sessionId: string;
  hubNonce: Buffer;
  understandsOffers: boolean;
};

async function admit(
  options: ControlOptions,
  request: IncomingMessage,
  socket: TLSSocket,
): Promise<Admitted> {
  const nonce = request.headers["sonde-nonce"];
  if (request.url !== "/control" || typeof nonce !== "string" || !/^[\w-]{43}$/.test(nonce)) {
    throw new SondeError("BAD_REQUEST", "expected GET /control with a Sonde-Nonce");
  }
  const identified = await identify(options, socket);
  const lease = await options.links.lease(identified);
  // Releases the lease also when no session begins. A destroyed socket emits no further `close`.
  const release = () => void lease.release().catch(options.report);
  socket.once("close", release);
  if (socket.destroyed) release();
  // Check again: the key may have changed during `lease`. From here on the lease hears of changes.
  await identify(options, socket);
  const hubNonce = randomBytes(NONCE_BYTES);
  const exporter = socket.exportKeyingMaterial(
    CHANNEL_BINDING_BYTES,
    CHANNEL_BINDING_LABEL,
    Buffer.alloc(0),
  );
  const sessionId = deriveSessionId(exporter, hubNonce, Buffer.from(nonce, "base64url"));
  const understandsOffers = request.headers[PROTOCOL_HEADER.toLowerCase()] !== undefined;
  return { ...identified, lease, sessionId, hubNonce, understandsOffers };
}

/**
 * Returns the agent behind the client certificate. TLS verified the chain; the certificate must
 * also be on the allow list.
 *
 * @throws SondeError CERTIFICATE_REFUSED
 */
async function identify(options: ControlOptions, socket: TLSSocket): Promise<Identified> {
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
  return found;
}

function startSession(options: ControlOptions, admitted: Admitted, socket: WebSocket): void {
  const { agents, auditLog, keys, now } = options;
  const { agentId, lease } = admitted;
  const agent = options.directory.agentById(agentId);
  if (agent === undefined) return socket.terminate();
  const channel = createChannel({
    side: "hub",
    hubId: keys.hubId,
    agentId,
    sessionId: admitted.sessionId,
    signer: keys.signer,
    peerKey: createPublicKey(admitted.publicKey),
    now: () => now().getTime(),
  });
  const audit = (
    event: "agent.connected" | "agent.disconnected" | "envelope.refused",
    known: Parameters<typeof buildAuditRecord>[2],
  ) => {
    auditLog
      .append(buildAuditRecord(now(), event, { agent: agent.name, ...known }))
      .catch(options.report);
  };
  // Saves an agent's statements in their order. The registry may take long to answer, so the
  // comparison of heads waits for nobody and holds up no save.
  const inTurn = createTurns(1);
  const saveReport = createNewest<PackReportBody>(({ packs }) =>
    inTurn(() => agents.savePacks(agentId, packs, now())).catch(options.report),
  );
  const compareHead = createNewest<RegistryHeadReport>((head) =>
    options.onRegistryHead(agent.name, head).catch(options.report),
  );
  const link = createAgentLink(socket, channel, {
    onHello(hello, { protocol }) {
      audit("agent.connected", { detail: { kernel: hello.kernel, wall: hello.wall, protocol } });
      inTurn(() => agents.saveHello(agentId, hello, now())).catch(options.report);
      compareHead(hello.registryHead);
      lease.ready();
      renewal.renewWhenDue().catch(options.report);
    },
    onPackReport(report) {
      saveReport(report);
      compareHead(report.registryHead);
    },
    onUnsupported(message) {
      audit("envelope.refused", {
        status: "denied",
        code: "PROTOCOL_UNSUPPORTED",
        detail: { message: scrubSentence(message.slice(0, 300)) },
      });
    },
    onClose(refusal) {
      renewal.stop();
      if (refusal !== null) {
        audit("envelope.refused", { status: "denied", code: refusal.code });
      }
      audit("agent.disconnected", {});
    },
  });
  // From here on a second connection of this identity finds this one (attack 19).
  lease.attach(link);
  const renewal = createRenewal(options, admitted, (certificate) =>
    link.sendCertificate(certificate),
  );
  socket.send(
    channel.seal({
      type: "welcome",
      body: encodeBody({
        hubTime: now().getTime(),
        hubVersion: RELEASE,
        auditHead: auditLog.head(),
        ...(admitted.understandsOffers && { protocol: OWN_PROTOCOL }),
      }),
    }),
  );
}
