import { randomUUID } from "node:crypto";
import {
  createMcpHandler,
  isLegacyRequest,
  type McpHttpHandler,
  type Server,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { announcesViews, isSessionWithViews, sessionWithViews } from "../core/views.ts";

export type ClientServer = {
  /** Notifies the clients of the current revision, and closes their streams. */
  handler: McpHttpHandler;
  /** Answers one POST, whose body was read already. */
  serve: ReturnType<typeof toNodeHandler>;
};

/**
 * Serves one principal's requests: those of the stateless revision of 2026-07-28, and those of the
 * 2025 revisions, which begin with a handshake. Both get their answer as JSON. An event stream is for
 * changes, and for a call whose client wants to hear of its progress (`progressToken`).
 *
 * @param createServer called for each request, with whether its client shows pictures
 */
export function serveClient(
  createServer: (showsViews: boolean) => Server,
  options: { maxSubscriptions: number; keepAliveMs: number; onerror: (error: Error) => void },
): ClientServer {
  // The SDK gives the one who makes a server the request without its body.
  const announced = new WeakSet<Request>();
  const handler = createMcpHandler(
    ({ requestInfo }) => createServer(requestInfo !== undefined && announced.has(requestInfo)),
    { ...options, legacy: "reject" },
  );
  const fetch: McpHttpHandler["fetch"] = async (request, given) => {
    const message = given?.parsedBody;
    const announces = announcesViews(message);
    if (!(await isLegacyRequest(request, message))) {
      if (announces) announced.add(request);
      return await handler.fetch(request, given);
    }
    const session = request.headers.get("mcp-session-id");
    const server = createServer(announces || isSessionWithViews(session));
    const response = await serveOlder(server, request, message);
    if (announces) response.headers.set("mcp-session-id", sessionWithViews(randomUUID()));
    return response;
  };
  return { handler, serve: toNodeHandler({ fetch }, { onerror: options.onerror }) };
}

async function serveOlder(
  server: Server,
  request: Request,
  parsedBody: unknown,
): Promise<Response> {
  const streams = wantsProgress(parsedBody);
  const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: !streams });
  await server.connect(transport);
  // Nobody waits for the answer any more. This ends what the server does for it.
  request.signal.addEventListener("abort", () => void server.close());
  let isStreaming = false;
  try {
    const response = await transport.handleRequest(request, { parsedBody });
    if (!streams || response.body === null) return response;
    isStreaming = true;
    const closing = new TransformStream<Uint8Array, Uint8Array>({ flush: () => server.close() });
    return new Response(response.body.pipeThrough(closing), response);
  } finally {
    if (!isStreaming) await server.close();
  }
}

/** Where a message, or each of a batch, has the token by which its client knows its progress. */
function listProgressTokens(message: unknown): { progressToken?: unknown }[] {
  return (Array.isArray(message) ? (message as unknown[]) : [message]).flatMap((one) => {
    const { params } = (one ?? {}) as { params?: { _meta?: { progressToken?: unknown } } };
    const { _meta: meta } = params ?? {};
    return meta?.progressToken === undefined ? [] : [meta];
  });
}

const wantsProgress = (message: unknown): boolean => listProgressTokens(message).length > 0;

/** Takes the wish to hear of progress from a message whose client takes no event stream. */
export function forgetProgress(message: unknown): void {
  for (const meta of listProgressTokens(message)) delete meta.progressToken;
}
