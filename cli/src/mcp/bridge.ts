import { PassThrough } from "node:stream";
import {
  isJSONRPCErrorResponse,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
  SdkHttpError,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { toSondeError } from "@sonde/schemas/errors";

/** An error of the implementation (JSON-RPC 2.0, 5.1). */
const SERVER_ERROR = -32_000;
/** Enough of what a hub says about a request that it refuses. */
const MAX_REASON = 300;

export type BridgeOptions = {
  /** The MCP address of the hub. */
  url: URL;
  /**
   * Called before each request to the hub.
   *
   * @returns the client key
   * @throws SondeError when the key cannot be read, or must not be sent there
   */
  readKey: () => string;
  /** Called with a sentence about what no client is told, such as a lost stream of changes. */
  report: (sentence: string) => void;
};

/**
 * Passes messages between an MCP client at standard input and output and a hub, in either
 * generation of the protocol. Messages go through unchanged. A request that does not reach the hub
 * is answered with the reason, and the next one is tried again. Resolves when the client has closed
 * standard input and has its answers.
 */
export async function bridgeStdio({ url, readKey, report }: BridgeOptions): Promise<void> {
  // The transport closes itself at the end of its input, when answers may still be on their way.
  const input = new PassThrough();
  const client = new StdioServerTransport(
    process.stdin.pipe(input, { end: false }),
    process.stdout,
  );
  const hub = new StreamableHTTPClientTransport(url, {
    fetch: (resource, init) => {
      const headers = new Headers(init?.headers);
      headers.set("authorization", `Bearer ${readKey()}`);
      return fetch(resource, { ...init, headers });
    },
  });
  const running = new Map<RequestId, AbortController>();
  const working = new Set<Promise<void>>();
  const track = (work: Promise<void>) => {
    const ending = work.finally(() => working.delete(ending));
    working.add(ending);
  };

  async function forward(message: JSONRPCMessage): Promise<void> {
    cancelNamed(running, message);
    if (!isJSONRPCRequest(message)) {
      return await hub.send(message).catch((error: unknown) => report(explain(error, url)));
    }
    const { id } = message;
    const ending = new AbortController();
    running.set(id, ending);
    try {
      await hub.send(message, { requestSignal: ending.signal });
    } catch (thrown) {
      // A cancelled request gets no answer (MCP 2025-11-25, cancellation).
      if (ending.signal.aborted) return;
      const error = { code: SERVER_ERROR, message: explain(thrown, url) };
      await client.send({ jsonrpc: "2.0", id, error });
    }
  }

  hub.onmessage = (message) => {
    if (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) {
      if (message.id !== undefined) running.delete(message.id);
      const { protocolVersion } = "result" in message ? message.result : {};
      if (typeof protocolVersion === "string") hub.setProtocolVersion(protocolVersion);
    }
    track(client.send(message));
  };
  client.onmessage = (message) => track(forward(message));
  client.onerror = () => report("expected one message of JSON-RPC a line, got something else");
  const ended = new Promise<void>((done) => {
    client.onclose = done;
    process.stdin.once("close", done);
  });
  await hub.start();
  await client.start();
  await ended;
  while (working.size > 0) await Promise.allSettled(working);
  await hub.close();
}

/** Ends the request to the hub that a client does not wait for any more. */
function cancelNamed(running: Map<RequestId, AbortController>, message: JSONRPCMessage): void {
  if (!("method" in message) || message.method !== "notifications/cancelled") return;
  const id = message.params?.["requestId"] as RequestId | undefined;
  if (id !== undefined) running.get(id)?.abort();
}

function explain(thrown: unknown, { origin }: URL): string {
  if (thrown instanceof SdkHttpError) {
    const { status, text } = thrown.data as { status?: number; text?: string };
    return `expected the hub at ${origin} to answer, got status ${status}: ${(text ?? "").slice(0, MAX_REASON)}`;
  }
  if (thrown instanceof TypeError) {
    const { code } = (thrown.cause ?? {}) as { code?: string };
    return `expected the hub at ${origin} to answer, but it cannot be reached (${code ?? thrown.message})`;
  }
  const { code, message } = toSondeError(thrown);
  return `${code}: ${message}`;
}
