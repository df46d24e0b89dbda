import { type KeyObject, createHash, sign } from "node:crypto";
import { Agent, type IncomingMessage, request } from "node:http";
import type { TLSSocket } from "node:tls";
import { SondeError, isErrorCode } from "@sonde/schemas/errors";
import { parseJson, readCapped } from "@sonde/schemas/parse";
import {
  type EnrolRequest,
  type EnrolResponse,
  parseEnrolChallenge,
  parseEnrolResponse,
} from "@sonde/schemas/wire";
import type { EnrolToken } from "./parse-token.ts";

/** A label of its own: this exporter proves a key, the channel's names a session. */
const EXPORTER_LABEL = "EXPORTER-sonde-enrol";
const EXPORTER_BYTES = 32;
const ANSWER_MS = 15_000;
const MAX_ANSWER = 64 * 1024;

export type EnrolAsk = {
  token: EnrolToken;
  agentName: string;
  csr: string;
  key: KeyObject;
};

/**
 * Exchanges the token for a certificate on one verified connection. The proof
 * signs challenge, token and this very TLS session, so neither a captured
 * request nor a proxy in between can use it.
 *
 * @param socket to the hub's enrol listener, verified against the pinned CA
 * @throws SondeError with the hub's code, or HUB_UNTRUSTED when it answers nonsense
 */
export async function requestIdentity(socket: TLSSocket, ask: EnrolAsk): Promise<EnrolResponse> {
  const connection = openConnection(socket);
  const first = await exchange(connection, "GET", "/enrol/challenge", null);
  const { challenge } = parseEnrolChallenge(first);
  const exporter = socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0));
  const body: EnrolRequest = {
    token: ask.token.text,
    agentName: ask.agentName,
    csr: ask.csr,
    proof: sign(null, buildProofText(challenge, ask.token.text, exporter), ask.key).toString(
      "base64",
    ),
  };
  return parseEnrolResponse(await exchange(connection, "POST", "/enrol", body));
}

/** What the agent's new key signs; the hub builds the same. */
export function buildProofText(challenge: string, token: string, exporter: Buffer): Buffer {
  const tokenHash = createHash("sha256").update(token).digest("hex");
  const lines = ["sonde-enrol-v1", challenge, tokenHash, exporter.toString("base64")];
  return Buffer.from(lines.join("\n"), "utf8");
}

/**
 * Two requests on one socket. The agent gives it to the second only when the
 * first is wholly done with it: an answer can be here before the write that
 * asked for it is called back.
 */
function openConnection(socket: TLSSocket): Agent {
  const connection = new Agent({ keepAlive: true, maxSockets: 1 });
  let given = false;
  connection.createConnection = (_options, done) => {
    if (given) {
      // Told, not thrown: Node may ask from an event of the socket.
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
): Promise<unknown> {
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
  if (response.statusCode === 200 || response.statusCode === 201) return answer;
  throw refusalOf(answer, response.statusCode ?? 0);
}

/** The hub's own code when it has one; its text is not repeated. */
function refusalOf(answer: unknown, status: number): SondeError {
  const error = typeof answer === "object" && answer !== null && "error" in answer && answer.error;
  const code = typeof error === "object" && error !== null && "code" in error && error.code;
  if (isErrorCode(code)) return new SondeError(code, `the hub refused with ${code}`);
  return new SondeError("HUB_UNTRUSTED", `expected an enrolment answer, got status ${status}`);
}
