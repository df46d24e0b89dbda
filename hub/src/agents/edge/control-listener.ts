import { createPublicKey, randomBytes } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { SondeError } from "@sonde/schemas/errors";
import { createTurns } from "@sonde/schemas/parse";
import { RELEASE } from "@sonde/schemas/release";
import {
  agentUri,
  OWN_PROTOCOL,
  PROTOCOL_HEADER,
  type RegistryHeadReport,
  encodeBody,
} from "@sonde/schemas/wire";
import { scrubSentence } from "@sonde/scrub";
import {
  CHANNEL_BINDING_BYTES,
  CHANNEL_BINDING_LABEL,
  createChannel,
  deriveSessionId,
  keyIdOf,
  NONCE_BYTES,
} from "@sonde/trust/envelope";
import { WebSocketServer, type WebSocket } from "ws";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import { type Lease, createAgentLink } from "../../links/index.ts";
import type { AgentStore } from "./agent-store.ts";
import { createRenewal } from "./certificate-renewal.ts";
import type { EnrolmentStore } from "./enrolment-store.ts";

/** A result has 1 MiB at most, a report of two versions of every pack 2.5 MiB. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 10_000;

export type ControlOptions = Pick<
  Hub,
  "auditLog" | "directory" | "keys" | "links" | "now" | "report"
> & {
  agents: AgentStore;
  enrolments: EnrolmentStore;
  /** Hears how far an agent was shown the registry's log. */
  onRegistryHead: (agent: string, head: RegistryHeadReport) => Promise<void>;
};

type Identified = { agentId: string; publicKey: string; expiresAt: Date };

/**
 * The agents' control listener: TLS 1.3 with a client certificate of our CA
 * that is on the allow-list, one WebSocket per agent, every message signed.
 */
export function createControlListener(options: ControlOptions): Server {
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
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", options.report);
    admit(options, request, socket).then(
      (admitted) => {
        nonces.set(request, admitted.hubNonce);
        sockets.handleUpgrade(request, socket, head, (webSocket) =>
          startSession(options, admitted, webSocket),
        );
      },
      (thrown: unknown) => {
        const code = thrown instanceof SondeError ? thrown.code : "INTERNAL";
        recordRefusal(options, code, socket);
        socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      },
    );
  });
  return server;
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
  socket: Duplex,
): Promise<Admitted> {
  const nonce = request.headers["sonde-nonce"];
  if (request.url !== "/control" || typeof nonce !== "string" || !/^[\w-]{43}$/.test(nonce)) {
    throw new SondeError("BAD_REQUEST", "expected GET /control with a Sonde-Nonce");
  }
  if (!(socket instanceof TLSSocket)) throw new SondeError("BAD_REQUEST", "expected TLS");
  const identified = await identify(options, socket);
  const lease = await options.links.lease(identified.agentId);
  // Also when the session never begins. A socket that is gone already tells nobody any more.
  const release = () => void lease.release().catch(options.report);
  socket.once("close", release);
  if (socket.destroyed) release();
  // A key that was replaced while the lease was taken; from here on the lease hears of it.
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

/** The chain was verified by TLS; being ours is not enough, it must be on the allow-list too. */
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
  const keep = (work: Promise<void>) => {
    work.catch(options.report);
  };
  // What an agent states is kept in the order in which it was said.
  const inTurn = createTurns(1);
  const link = createAgentLink(socket, channel, {
    onHello(hello, { protocol }) {
      audit("agent.connected", { detail: { kernel: hello.kernel, wall: hello.wall, protocol } });
      keep(inTurn(() => agents.saveHello(agentId, hello, now())));
      keep(options.onRegistryHead(agent.name, hello.registryHead));
      lease.ready();
      keep(renewal.renewWhenDue());
    },
    onPackReport(report) {
      keep(inTurn(() => agents.savePacks(agentId, report.packs, now())));
      keep(options.onRegistryHead(agent.name, report.registryHead));
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
  // From here on a second connection of this identity meets this one (attack 19).
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

function recordRefusal(options: ControlOptions, code: SondeError["code"], socket: Duplex): void {
  const address = socket instanceof TLSSocket ? (socket.remoteAddress ?? "unknown") : "unknown";
  options.auditLog
    .append(
      buildAuditRecord(options.now(), "agent.refused", {
        status: "denied",
        code,
        detail: { address },
      }),
    )
    .catch(options.report);
}
