// A hub for tests: real TLS with a real CA, real envelopes.
import { generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { type Server, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import type { EnvelopeHeader, WelcomeBody } from "@sonde/schemas/wire";
import { type Authority, createAuthority, openAuthority } from "@sonde/trust/ca";
import {
  CHANNEL_BINDING_BYTES,
  CHANNEL_BINDING_LABEL,
  type Channel,
  createChannel,
  createSigningKey,
  deriveSessionId,
} from "@sonde/trust/envelope";
import { type WebSocket, WebSocketServer } from "ws";
import { buildCsr } from "../edge/enrol/build-csr.ts";
import type { Identity } from "../edge/store/identity.ts";

export type TestSession = {
  socket: WebSocket;
  channel: Channel;
  sessionId: string;
  /** The agent's next message, verified and decoded. */
  next(): Promise<{ header: EnvelopeHeader; body: unknown }>;
  closed: Promise<number>;
};

export type TestHub = {
  authority: Authority;
  identity: Identity;
  keys: ReturnType<typeof createHubKeys>;
  /** The next connection of an agent. */
  session(): Promise<TestSession>;
  close(): Promise<void>;
};

export const WELCOME: WelcomeBody = {
  hubTime: 1,
  hubVersion: "0.1.0",
  auditHead: { size: 3, hash: `sha256:${"c".repeat(64)}` },
};

export function createHubKeys() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { privateKey, publicKey, signer: createSigningKey(privateKey, publicKey) };
}

/** @param anyClient accepts every client certificate, whoever issued it */
export async function startTestHub(anyClient = false): Promise<TestHub> {
  const hubId = randomUUID();
  const agentId = randomUUID();
  const authority = await openAuthority(await createAuthority(hubId, new Date()), () => new Date());
  const server = await authority.issueServerCertificate(["127.0.0.1", "localhost"]);
  const agentKeys = generateKeyPairSync("ed25519");
  const issued = await authority.issueAgentCertificate({
    publicKey: await authority.readPublicKey(
      await buildCsr(agentKeys.privateKey, agentKeys.publicKey),
    ),
    hubId,
    agentId,
  });
  const keys = createHubKeys();
  const https = createServer({
    key: server.privateKey,
    cert: `${server.certificate}\n${authority.certificate}`,
    ca: [authority.certificate],
    requestCert: true,
    rejectUnauthorized: !anyClient,
    minVersion: "TLSv1.3",
  });
  const sessions = new Queue<TestSession>();
  acceptSessions(https, (socket, sessionId) => {
    const channel = createChannel({
      side: "hub",
      hubId,
      agentId,
      sessionId,
      signer: keys.signer,
      peerKey: agentKeys.publicKey,
      now: Date.now,
    });
    const messages = new Queue<Buffer>();
    socket.on("message", (data: Buffer) => messages.put(data));
    sessions.put({
      socket,
      channel,
      sessionId,
      next: async () => channel.open(await messages.take()),
      closed: new Promise((resolve) => socket.on("close", resolve)),
    });
  });
  await new Promise<void>((resolve) => https.listen(0, "127.0.0.1", resolve));
  return {
    authority,
    keys,
    identity: {
      hubId,
      agentId,
      agentName: "web-1",
      controlAddress: `127.0.0.1:${(https.address() as AddressInfo).port}`,
      hubKey: keys.publicKey,
      registryHead: null,
      key: agentKeys.privateKey,
      certificate: issued.certificate,
      ca: authority.certificate,
    },
    session: () => sessions.take(),
    close: () =>
      new Promise((resolve) => {
        https.closeAllConnections();
        https.close(() => resolve());
      }),
  };
}

function acceptSessions(
  https: Server,
  accept: (socket: WebSocket, sessionId: string) => void,
): void {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const nonces = new WeakMap<object, Buffer>();
  sockets.on("headers", (headers, request) => {
    const nonce = randomBytes(32);
    nonces.set(request, nonce);
    headers.push(`Sonde-Nonce: ${nonce.toString("base64url")}`);
  });
  https.on("upgrade", (request, socket, head) => {
    const tls = request.socket as TLSSocket;
    const exporter = tls.exportKeyingMaterial(
      CHANNEL_BINDING_BYTES,
      CHANNEL_BINDING_LABEL,
      Buffer.alloc(0),
    );
    sockets.handleUpgrade(request, socket, head, (accepted) => {
      const agentNonce = Buffer.from(String(request.headers["sonde-nonce"]), "base64url");
      accept(accepted, deriveSessionId(exporter, nonces.get(request) as Buffer, agentNonce));
    });
  });
}

/** A queue whose reader waits for the next item. */
class Queue<T> {
  readonly #ready: T[] = [];
  readonly #waiting: ((item: T) => void)[] = [];

  put(item: T): void {
    const taker = this.#waiting.shift();
    if (taker === undefined) this.#ready.push(item);
    else taker(item);
  }

  take(): Promise<T> {
    const item = this.#ready.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
