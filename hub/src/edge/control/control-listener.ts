import { createPublicKey, randomBytes } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { SondeError } from "@sonde/schemas/errors";
import {
  agentUri,
  type LogHead,
  OWN_PROTOCOL,
  PROTOCOL_HEADER,
  type RegistryHeadReport,
} from "@sonde/schemas/wire";
import { scrubSentence } from "@sonde/scrub";
import {
  CHANNEL_BINDING_BYTES,
  CHANNEL_BINDING_LABEL,
  createChannel,
  deriveSessionId,
  keyIdOf,
  NONCE_BYTES,
  type SigningKey,
} from "@sonde/trust/envelope";
import type { Authority } from "@sonde/trust/ca";
import { WebSocketServer, type WebSocket } from "ws";
import type { AuditLog } from "../../core/audit-log.ts";
import { buildAuditRecord } from "../../core/audit-record.ts";
import type { Fleet } from "../../core/fleet.ts";
import { HUB_VERSION } from "../../core/hub-version.ts";
import type { HubStore } from "../store/hub-store.ts";
import { createAgentLink } from "./agent-link.ts";
import { createRenewal } from "./certificate-renewal.ts";

/** A result has 1 MiB at most, a report of two versions of every pack 2.5 MiB. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 10_000;
/** A first connection must prove itself dead before a second one of the same identity is let in. */
const TAKEOVER_PING_MS = 2_000;

export type ControlOptions = {
  hubId: string;
  tls: { certificate: string; privateKey: string; authority: string };
  signer: SigningKey;
  openAuthority: () => Promise<Authority>;
  store: HubStore;
  fleet: Fleet;
  auditLog: AuditLog;
  now: () => Date;
  report: (error: Error) => void;
  /** Hears how far an agent was shown the registry's log. */
  onRegistryHead: (agent: string, head: RegistryHeadReport) => Promise<void>;
};

type Identified = { agentId: string; publicKey: string; expiresAt: Date };

/**
 * The agents' control listener: TLS 1.3 with a client certificate of our CA
 * that is on the allow-list, one WebSocket per agent, every message signed.
 */
export function createControlListener(options: ControlOptions): Server {
  const server = createServer({
    cert: options.tls.certificate,
    key: options.tls.privateKey,
    ca: [options.tls.authority],
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

type Admitted = Identified & { sessionId: string; hubNonce: Buffer; understandsOffers: boolean };

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
  await refuseSecondConnection(options, identified.agentId);
  const hubNonce = randomBytes(NONCE_BYTES);
  const exporter = socket.exportKeyingMaterial(
    CHANNEL_BINDING_BYTES,
    CHANNEL_BINDING_LABEL,
    Buffer.alloc(0),
  );
  const sessionId = deriveSessionId(exporter, hubNonce, Buffer.from(nonce, "base64url"));
  const understandsOffers = request.headers[PROTOCOL_HEADER.toLowerCase()] !== undefined;
  return { ...identified, sessionId, hubNonce, understandsOffers };
}

/** The chain was verified by TLS; being ours is not enough, it must be on the allow-list too. */
async function identify(options: ControlOptions, socket: TLSSocket): Promise<Identified> {
  const certificate = socket.getPeerX509Certificate();
  if (!socket.authorized || certificate === undefined) {
    throw new SondeError("CERTIFICATE_REFUSED", "expected a client certificate of this hub");
  }
  const found = await options.store.findCertificate(
    certificate.serialNumber.toLowerCase(),
    keyIdOf(certificate.publicKey),
    options.now(),
  );
  const expected = found && `URI:${agentUri(options.hubId, found.agentId)}`;
  if (found === null || certificate.subjectAltName !== expected) {
    throw new SondeError("CERTIFICATE_REFUSED", "the certificate is not on the allow-list");
  }
  return found;
}

/** Attack 19: of two live connections with one identity the first stays. */
async function refuseSecondConnection(options: ControlOptions, agentId: string): Promise<void> {
  const first = options.fleet.find(agentId)?.link;
  if (first === undefined || first === null) return;
  if (await first.ping(TAKEOVER_PING_MS)) {
    throw new SondeError("CERTIFICATE_REFUSED", "this agent has a live connection already");
  }
  first.close("replaced");
  options.fleet.update(agentId, { link: null });
}

function startSession(options: ControlOptions, admitted: Admitted, socket: WebSocket): void {
  const { fleet, store, auditLog, now } = options;
  const { agentId } = admitted;
  const agent = fleet.find(agentId);
  // Of two that came at once and found nobody, the second is refused here.
  if (agent === undefined || agent.link !== null) return socket.terminate();
  const channel = createChannel({
    side: "hub",
    hubId: options.hubId,
    agentId,
    sessionId: admitted.sessionId,
    signer: options.signer,
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
  const seen = () => ({ lastSeenAt: now().toISOString() });
  const setHead = (auditHead: LogHead) => fleet.update(agentId, { auditHead });

  const link = createAgentLink(socket, channel, {
    onHello(hello, { protocol }) {
      audit("agent.connected", { detail: { kernel: hello.kernel, wall: hello.wall, protocol } });
      keep(store.saveHello(agentId, hello, now()));
      keep(options.onRegistryHead(agent.name, hello.registryHead));
      fleet.update(agentId, {
        hello,
        packs: hello.packs,
        auditHead: hello.auditHead,
        ...seen(),
      });
      link.sendDesiredState(fleet.find(agentId)?.desired ?? agent.desired);
      keep(renewal.renewWhenDue());
    },
    onPackReport(report) {
      keep(store.savePacks(agentId, report.packs, now()));
      keep(options.onRegistryHead(agent.name, report.registryHead));
      fleet.update(agentId, { packs: report.packs, auditHead: report.auditHead, ...seen() });
    },
    onAuditHead: setHead,
    onUnsupported(message) {
      audit("envelope.refused", {
        status: "denied",
        code: "PROTOCOL_UNSUPPORTED",
        detail: { message: scrubSentence(message.slice(0, 300)) },
      });
    },
    onClose(refusal) {
      if (fleet.find(agentId)?.link === link) fleet.update(agentId, { link: null, ...seen() });
      renewal.stop();
      if (refusal !== null) {
        audit("envelope.refused", { status: "denied", code: refusal.code });
      }
      audit("agent.disconnected", {});
    },
  });
  // From here on a second connection of this identity meets this one (attack 19).
  fleet.update(agentId, { link, ...seen() });
  const renewal = createRenewal(options, admitted, (certificate) =>
    link.sendCertificate(certificate),
  );
  socket.send(
    channel.seal({
      type: "welcome",
      body: {
        hubTime: now().getTime(),
        hubVersion: HUB_VERSION,
        auditHead: auditLog.head(),
        ...(admitted.understandsOffers && { protocol: OWN_PROTOCOL }),
      },
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
