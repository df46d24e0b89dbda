import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { McpHttpHandler } from "@modelcontextprotocol/server";

/**
 * Gives one HTTP request to the SDK's handler and writes what it answers. The
 * body is read, bounded and parsed once, here; an answer that is one document
 * leaves in one write, an event stream event by event. A client that goes away
 * aborts its request.
 *
 * @param maxBytes of the body; more is answered with 413
 */
export async function serveFetch(
  handler: McpHttpHandler,
  request: IncomingMessage,
  response: ServerResponse,
  maxBytes: number,
): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const text = await readText(request, maxBytes);
  const answer = text === null ? refuseBody(maxBytes) : await ask(handler, request, text, gone);
  const headers = Object.fromEntries(answer.headers);
  if (answer.body === null || headers["content-type"] !== "text/event-stream") {
    const bytes = Buffer.from(await answer.arrayBuffer());
    response.writeHead(answer.status, { ...headers, "content-length": bytes.length }).end(bytes);
    return;
  }
  response.writeHead(answer.status, headers);
  try {
    for await (const chunk of answer.body) {
      if (!response.write(chunk)) await once(response, "drain", { signal: gone.signal });
    }
  } catch (thrown) {
    // Only that the client went away is expected here.
    if (!gone.signal.aborted) throw thrown;
  } finally {
    response.end();
  }
}

/** @returns null when there is more than may be */
async function readText(request: IncomingMessage, maxBytes: number): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  // A refused body leaves its connection open for the answer.
  const bytes: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > maxBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function refuseBody(maxBytes: number): Response {
  const message = `expected a body of at most ${maxBytes} bytes, got more`;
  const error = { jsonrpc: "2.0", error: { code: -32_000, message }, id: null };
  return Response.json(error, { status: 413, headers: { connection: "close" } });
}

function ask(
  handler: McpHttpHandler,
  { method = "GET", url = "/", headers }: IncomingMessage,
  text: string,
  gone: AbortController,
): Promise<Response> {
  const init = {
    method,
    headers: Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as [string, string]],
    ),
    signal: gone.signal,
  };
  // Only the path and the headers are looked at: the listener has checked the host.
  const address = new URL(url, "http://hub");
  const parsed = text === "" ? undefined : parse(text);
  if (parsed !== undefined)
    return handler.fetch(new Request(address, init), { parsedBody: parsed });
  // No JSON: the SDK knows the words in which each revision says so.
  return handler.fetch(new Request(address, text === "" ? init : { ...init, body: text }));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
