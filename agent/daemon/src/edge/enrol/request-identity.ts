import { type KeyObject, createHash, createPublicKey } from "node:crypto";
import { Agent, type IncomingMessage, request } from "node:http";
import type { TLSSocket } from "node:tls";
import { SondeError, readRefusal } from "@sonde/schemas/errors";
import { parseJson, readCapped } from "@sonde/schemas/parse";
import {
  type EnrolRequest,
  type EnrolResponse,
  parseEnrolChallenge,
  parseEnrolResponse,
  parseRecoverResponse,
  type RecoverRequest,
} from "@sonde/schemas/wire";
import { createSigningKey } from "@sonde/trust/envelope";
import type { EnrolToken } from "./parse-token.ts";

/** Not the channel binding's label: that exporter names a session, this one proves a key. */
const EXPORTER_LABEL = "EXPORTER-sonde-enrol";
const RECOVERY_EXPORTER_LABEL = "EXPORTER-sonde-recover";
const EXPORTER_BYTES = 32;
const ANSWER_MS = 15_000;
const MAX_ANSWER = 64 * 1024;
/** Well above what a network delays, and below what a certificate's start allows. */
const MAX_SKEW_MS = 4 * 60_000;

export type EnrolAsk = {
  token: EnrolToken;
  agentName: string;
  csr: string;
  key: KeyObject;
};

/**
 * Exchanges the token for a certificate, on one verified connection. The proof signs the
 * challenge, the token and this TLS session. So a captured request cannot be replayed,
 * and a proxy that ends TLS cannot use it.
 *
 * @param socket connection to the hub's enrol listener, verified against the pinned CA
 * @throws SondeError with the hub's code, HUB_UNTRUSTED for an answer that cannot be parsed, or
 *   CLOCK_WRONG
 */
export async function requestIdentity(socket: TLSSocket, ask: EnrolAsk): Promise<EnrolResponse> {
  const connection = openConnection(socket);
  const first = await exchange(connection, "GET", "/enrol/challenge", null);
  const { challenge } = parseEnrolChallenge(first.answer);
  // Before the token is used up: a day later nobody would know why the agent does not serve.
  requireSameTime(first.at);
  const exporter = socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0));
  const signer = createSigningKey(ask.key, createPublicKey(ask.key));
  const body: EnrolRequest = {
    token: ask.token.text,
    agentName: ask.agentName,
    csr: ask.csr,
    proof: signer.sign(buildProofText(challenge, ask.token.text, exporter)).toString("base64"),
  };
  return parseEnrolResponse((await exchange(connection, "POST", "/enrol", body)).answer);
}

/** @param at the hub's time, as HTTP writes it */
function requireSameTime(at: string | undefined): void {
  const aheadMs = Date.now() - Date.parse(at ?? "");
  // A hub that tells no time is compared at its first message.
  if (Number.isNaN(aheadMs) || Math.abs(aheadMs) <= MAX_SKEW_MS) return;
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  throw new SondeError(
    "CLOCK_WRONG",
    `expected this host's clock to be the hub's within ${MAX_SKEW_MS / 60_000} minutes, got ${seconds} s ${aheadMs > 0 ? "ahead" : "behind"}`,
  );
}

/**
 * Asks for the next certificate when the last one opens nothing any more, by proof of the agent's key
 * on this connection.
 *
 * @param socket connection to the hub's enrol listener, verified against the pinned CA
 * @param last the last certificate in PEM, with its serial number in lower-case hex
 * @returns the certificate in PEM; the caller verifies it
 * @throws SondeError as `requestIdentity`
 */
export async function requestRecovery(
  socket: TLSSocket,
  { certificate, serial, key }: { certificate: string; serial: string; key: KeyObject },
): Promise<string> {
  const connection = openConnection(socket);
  const first = await exchange(connection, "GET", "/enrol/challenge", null);
  const { challenge } = parseEnrolChallenge(first.answer);
  // A next certificate would look ended too, and each attempt would get one.
  requireSameTime(first.at);
  const exporter = socket.exportKeyingMaterial(
    EXPORTER_BYTES,
    RECOVERY_EXPORTER_LABEL,
    Buffer.alloc(0),
  );
  const lines = ["sonde-recover-v1", challenge, serial, exporter.toString("base64")];
  const proof = createSigningKey(key, createPublicKey(key)).sign(Buffer.from(lines.join("\n")));
  const body: RecoverRequest = { certificate, proof: proof.toString("base64") };
  const { answer } = await exchange(connection, "POST", "/enrol/recover", body);
  return parseRecoverResponse(answer).certificate;
}

/** The text that the agent's new key signs. The hub builds the same text to verify it. */
export function buildProofText(challenge: string, token: string, exporter: Buffer): Buffer {
  const tokenHash = createHash("sha256").update(token).digest("hex");
  const lines = ["sonde-enrol-v1", challenge, tokenHash, exporter.toString("base64")];
  return Buffer.from(lines.join("\n"), "utf8");
}

/**
 * An HTTP agent that sends two requests on one socket, one after the other. It hands the
 * socket to the second request only when the first has finished with it: an answer can
 * arrive before the write callback of its request.
 */
function openConnection(socket: TLSSocket): Agent {
  const connection = new Agent({ keepAlive: true, maxSockets: 1 });
  let given = false;
  connection.createConnection = (_options, done) => {
    if (given) {
      // Passed to the callback, not thrown: Node may call this from an event of the socket.
      done?.(new Error("the hub ended the connection half-way"), socket);
      return undefined;
    }
    given = true;
    return socket;
  };
  return connection;
}

async function exchange(
  connection: Agent,
  method: "GET" | "POST",
  path: string,
  body: object | null,
): Promise<{ answer: unknown; at: string | undefined }> {
  const text = body === null ? "" : JSON.stringify(body);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = request({
      method,
      path,
      agent: connection,
      signal: AbortSignal.timeout(ANSWER_MS),
      headers: {
        host: "hub",
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
      },
    });
    asked.on("response", resolve).end(text);
    asked.on("error", (cause) =>
      reject(
        new SondeError("HUB_UNTRUSTED", `expected an answer of the hub, got ${cause.message}`, {
          cause,
        }),
      ),
    );
  });
  const bytes = await readCapped(response, MAX_ANSWER, () => {
    return new SondeError("HUB_UNTRUSTED", `expected at most ${MAX_ANSWER} bytes, got more`);
  });
  const answer = parseJson(bytes, "the hub's answer", "HUB_UNTRUSTED");
  if (response.statusCode === 200 || response.statusCode === 201) {
    return { answer, at: response.headers.date };
  }
  throw refusalOf(answer, response.statusCode ?? 0);
}

/** Keeps the hub's error code when it is a known one. Does not repeat the hub's text. */
function refusalOf(answer: unknown, status: number): SondeError {
  const code = readRefusal(answer)?.code;
  if (code !== undefined) return new SondeError(code, `the hub refused with ${code}`);
  return new SondeError("HUB_UNTRUSTED", `expected an enrolment answer, got status ${status}`);
}
