import { readFileSync } from "node:fs";
import { request } from "node:http";
import {
  type AddIdentity,
  type AddedIdentity,
  type AddedPublisher,
  type ErrorBody,
  SondeError,
  isErrorCode,
  parseAddedIdentity,
  parseAddedPublisher,
  parseJson,
} from "@sonde/schemas";

const TIMEOUT_MS = 10_000;

/**
 * The operator's command `publisher add NAME --key FILE`: asks the running
 * registry over its operator socket.
 *
 * @throws SondeError with the registry's own code, or REGISTRY_UNAVAILABLE
 */
export async function addPublisher(
  socketPath: string,
  name: string,
  keyFile: string,
  takesReserved: boolean,
): Promise<AddedPublisher> {
  const body = { name, publicKey: readKeyFile(keyFile), takesReserved };
  return parseAddedPublisher(await ask(socketPath, "/publishers", body));
}

/**
 * The operator's command `publisher add NAME --issuer URL --identity NAME`: lets
 * whom a certificate names exactly so sign for the publisher.
 *
 * @throws SondeError with the registry's own code, or REGISTRY_UNAVAILABLE
 */
export async function addIdentity(socketPath: string, body: AddIdentity): Promise<AddedIdentity> {
  return parseAddedIdentity(await ask(socketPath, "/identities", body));
}

async function ask(socketPath: string, path: string, body: object): Promise<unknown> {
  const { status, text } = await post(socketPath, path, body);
  const answer = parseJson(text, "registry answer", "REGISTRY_UNAVAILABLE");
  if (status === 200) return answer;
  const { error } = answer as Partial<ErrorBody>;
  const code = isErrorCode(error?.code) ? error.code : "REGISTRY_UNAVAILABLE";
  throw new SondeError(code, error?.message ?? "expected an answer, got none");
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `expected a public key in ${path}, cannot read it`, {
      cause,
    });
  }
}

function post(
  socketPath: string,
  path: string,
  body: object,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const call = request({ socketPath, path, method: "POST", headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => (text += chunk));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    call.setTimeout(TIMEOUT_MS, () => call.destroy(new Error("no answer in time")));
    call.on("error", (cause) => {
      const sentence = `expected a running registry at ${socketPath}, got no answer`;
      reject(new SondeError("REGISTRY_UNAVAILABLE", sentence, { cause }));
    });
    call.end(JSON.stringify(body));
  });
}
