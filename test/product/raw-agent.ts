import { spawn } from "node:child_process";
import { createPublicKey, randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { DEFAULT_KEY_ALGORITHM, type KeyAlgorithm, PROTOCOL_HEADER } from "@sonde/schemas/wire";
import { type Channel, createChannel, createSigningKey } from "@sonde/trust/envelope";
import { WebSocket, type ClientOptions } from "ws";
import { bindSession } from "../../agent/daemon/src/edge/hub/session.ts";
import { type Identity, readIdentity } from "../../agent/daemon/src/edge/store/identity.ts";
import type { Product } from "./start-product.ts";
import { findProgram } from "./test-packs.ts";

/** Enrols a new agent with the product's own program. Returns its identity, keys included. */
export async function enrolRawAgent(
  product: Product,
  agentName: string,
  keyAlgorithm: KeyAlgorithm = DEFAULT_KEY_ALGORITHM,
): Promise<Identity> {
  const answer = await product.hub.send("POST", "/enrolment-tokens", { body: { agentName } });
  const { token, enrolAddress } = answer.body as { token: string; enrolAddress: string };
  return enrolByToken(product, agentName, token, enrolAddress, keyAlgorithm);
}

/** Enrols an agent with a token that was made for it. */
export async function enrolByToken(
  product: Product,
  agentName: string,
  token: string,
  enrolAddress: string,
  keyAlgorithm: KeyAlgorithm = DEFAULT_KEY_ALGORITHM,
): Promise<Identity> {
  const { hostname, port } = new URL(`https://${enrolAddress}`);
  const stateDir = mkdtempSync("/tmp/sonde-raw-agent-");
  try {
    const config = join(stateDir, "enrol.json");
    writeFileSync(
      config,
      JSON.stringify({ stateDir, host: hostname, port: Number(port), agentName, keyAlgorithm }),
    );
    const [node, program] = findProgram(product, "enrol.js");
    const child = spawn(node, [program, config], { stdio: ["pipe", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stdin.end(token);
    const code = await new Promise((done) => child.once("close", done));
    if (code !== 0) throw new Error(`enrolment failed: ${output}`);
    return readIdentity(join(stateDir, "identity"));
  } finally {
    rmSync(stateDir, { recursive: true });
  }
}

/** The control listener's answer to a connection. */
export type Reception =
  | { kind: "refused"; reason: string }
  | { kind: "status"; status: number }
  | { kind: "session"; session: RawSession };

/** An authenticated session in which the test builds and sends every frame. */
export type RawSession = {
  channel: Channel;
  /** The hub's first message, not verified. */
  welcome: Buffer;
  socket: WebSocket;
  /** Resolves when the hub has ended the session. */
  closed: Promise<void>;
  isOpen(): boolean;
};

/** Connects to the control listener with any TLS identity. */
export function knock(identity: Identity, tls: ClientOptions = {}): Promise<Reception> {
  const nonce = randomBytes(32);
  const socket = new WebSocket(`wss://${identity.controlAddress}/control`, {
    headers: { "Sonde-Nonce": nonce.toString("base64url"), [PROTOCOL_HEADER]: "1-2" },
    ca: [identity.ca],
    cert: identity.certificate,
    key: identity.key.export({ format: "pem", type: "pkcs8" }),
    perMessageDeflate: false,
    ...tls,
  });
  socket.binaryType = "nodebuffer";
  let response: IncomingMessage | undefined;
  socket.on("upgrade", (upgraded) => (response = upgraded));
  return new Promise((done) => {
    socket.on("unexpected-response", (_request, answer) => {
      done({ kind: "status", status: answer.statusCode ?? 0 });
      socket.terminate();
    });
    socket.on("error", (error) => {
      done({ kind: "refused", reason: "code" in error ? String(error.code) : error.message });
    });
    const closed = new Promise<void>((ended) => socket.on("close", () => ended()));
    socket.once("message", (welcome: Buffer) => {
      if (response === undefined) return;
      const peer = response.socket as TLSSocket;
      const sessionId = bindSession(peer, response.headers["sonde-nonce"], nonce);
      const channel = createChannel({
        side: "agent",
        hubId: identity.hubId,
        agentId: identity.agentId,
        sessionId,
        signer: createSigningKey(identity.key, createPublicKey(identity.key)),
        peerKey: identity.hubKey,
        now: Date.now,
      });
      const isOpen = () => socket.readyState === WebSocket.OPEN;
      done({ kind: "session", session: { channel, welcome, socket, closed, isOpen } });
    });
  });
}

/** @throws when the hub refused the connection */
export async function openSession(identity: Identity): Promise<RawSession> {
  const reception = await knock(identity);
  if (reception.kind === "session") return reception.session;
  throw new Error(`expected a session, got ${JSON.stringify(reception)}`);
}
