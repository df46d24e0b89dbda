import { readRefusal, SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { requireRegistryListener } from "../require-listener.ts";

const TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * Parses a registry's address: `https://...`, or `http://` on loopback, because requests carry
 * secrets. Removes a trailing slash.
 *
 * @throws SondeError BAD_REQUEST
 */
export function parseRegistry(registry: string): string {
  const address = URL.parse(registry);
  const isSafe =
    address?.protocol === "https:" ||
    (address?.protocol === "http:" && LOOPBACK.has(address.hostname));
  if (address === null || !isSafe || address.username !== "" || address.search !== "") {
    throw new SondeError(
      "BAD_REQUEST",
      `expected a registry as https://HOST, or http:// on loopback, got ${registry.slice(0, 200)}`,
    );
  }
  return `${address.origin}${address.pathname}`.replace(/\/$/, "");
}

/**
 * Sends one request to a registry. The answer is JSON whose shape is not checked yet.
 *
 * @param registry as `parseRegistry` returned it
 * @throws SondeError with the registry's own code, REGISTRY_UNAVAILABLE or REGISTRY_UNTRUSTED
 */
export async function requestRegistry(
  registry: string,
  path: string,
  init: { method?: string; token?: string; json?: object; form?: FormData } = {},
): Promise<unknown> {
  const { method = "GET", token, json, form } = init;
  // What is written has a token, as bearer or in its body.
  if (method !== "GET") requireRegistryListener(registry);
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${registry}/api/v1${path}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(json !== undefined && { "content-type": "application/json" }),
      },
      body: form ?? (json === undefined ? null : JSON.stringify(json)),
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await readBounded(response);
  } catch (cause) {
    if (cause instanceof SondeError) throw cause;
    const { origin } = new URL(registry);
    throw new SondeError("REGISTRY_UNAVAILABLE", `expected an answer from ${origin}, got none`, {
      cause,
    });
  }
  const answer = parseJson(text, "registry answer", "REGISTRY_UNAVAILABLE");
  if (!response.ok) throw refusalOf(answer, response.status);
  return answer;
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) {
      throw new SondeError("REGISTRY_UNAVAILABLE", "expected a short answer, got a long one");
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The registry's own refusal, when the body is one. */
function refusalOf(answer: unknown, status: number): SondeError {
  const refusal = readRefusal(answer);
  if (refusal !== null) return new SondeError(refusal.code, refusal.message.slice(0, 1000));
  return new SondeError("REGISTRY_UNAVAILABLE", `expected a known answer, got status ${status}`);
}
