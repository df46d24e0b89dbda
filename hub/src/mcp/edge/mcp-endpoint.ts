import type { IncomingMessage, ServerResponse } from "node:http";
import { createMcpHandler, type McpHttpHandler } from "@modelcontextprotocol/server";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { SondeError } from "@sonde/schemas/errors";
import type { HttpServer } from "@sonde/service";
import { hashTools } from "../../catalog/index.ts";
import type { Principal } from "../../identity/index.ts";
import { type ToolPorts, createToolServer, listTools } from "./tool-server.ts";

const MAX_BODY_BYTES = 256 * 1024;
const MAX_STREAMS_PER_KEY = 32;
const KEEP_ALIVE_MS = 15_000;
const LIST_CHANGED = JSON.stringify({
  jsonrpc: "2.0",
  method: "notifications/tools/list_changed",
});

/**
 * State of one principal's clients, so that each principal hears only of its own list's changes.
 */
type Seat = {
  principal: Principal;
  handler: McpHttpHandler;
  serve: ReturnType<typeof toNodeHandler>;
  /** Open event streams of clients of the 2025 revisions. */
  streams: Set<ServerResponse>;
  listHash: string;
};

export type McpEndpoint = {
  /** Notifies the clients of every principal whose tool list changed. */
  announceChanges(): void;
  /** Ends every stream of a principal, for example when its key was revoked. */
  dismiss(principalId: string): Promise<void>;
  close(): Promise<void>;
};

/**
 * Adds `/mcp` for the stateless revision of 2026-07-28 and the 2025 revisions with a handshake. The
 * listener has authenticated each request already.
 */
export function addMcpEndpoint(app: HttpServer, ports: ToolPorts, version: string): McpEndpoint {
  const seats = new Map<string, Seat>();

  function seatOf(principal: Principal): Seat {
    const known = seats.get(principal.subject.id);
    if (known !== undefined && known.principal.policyHash === principal.policyHash) return known;
    const handler = createMcpHandler(() => createToolServer(ports, principal, version), {
      maxRequestBodySize: MAX_BODY_BYTES,
      maxSubscriptions: MAX_STREAMS_PER_KEY,
      keepAliveMs: KEEP_ALIVE_MS,
      onerror: ports.report,
    });
    const seat: Seat = {
      principal,
      handler,
      serve: toNodeHandler(handler, { onerror: ports.report, maxRequestBodySize: MAX_BODY_BYTES }),
      streams: known?.streams ?? new Set(),
      listHash: hashTools(listTools(ports, principal)),
    };
    seats.set(principal.subject.id, seat);
    return seat;
  }

  void app.register((scope, _options, done) => {
    // The SDK reads and bounds the body itself. A framework parser would answer in another format.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, parsed) => parsed(null));
    scope.route({
      method: ["GET", "POST", "DELETE"],
      url: "/mcp",
      config: { right: "probe.list" },
      handler: async (request, reply) => {
        const seat = seatOf(request.principal);
        const wantsStream =
          request.method === "GET" && request.headers.accept?.includes("text/event-stream");
        if (wantsStream === true && seat.streams.size >= MAX_STREAMS_PER_KEY) {
          throw new SondeError(
            "TOO_MANY_ATTEMPTS",
            `${MAX_STREAMS_PER_KEY} streams are open already`,
          );
        }
        reply.hijack();
        if (wantsStream === true) return openStream(seat, reply.raw);
        // A server's request always has both members, but its type makes them optional.
        return seat.serve(
          request.raw as IncomingMessage & { method: string; url: string },
          reply.raw,
        );
      },
    });
    done();
  });

  return {
    announceChanges() {
      for (const seat of seats.values()) {
        const listHash = hashTools(listTools(ports, seat.principal));
        if (listHash === seat.listHash) continue;
        seat.listHash = listHash;
        seat.handler.notify.toolsChanged();
        for (const stream of seat.streams)
          stream.write(`event: message\ndata: ${LIST_CHANGED}\n\n`);
      }
    },
    async dismiss(principalId) {
      const seat = seats.get(principalId);
      seats.delete(principalId);
      if (seat !== undefined) await closeSeat(seat);
    },
    async close() {
      for (const seat of seats.values()) await closeSeat(seat);
    },
  };
}

async function closeSeat(seat: Seat): Promise<void> {
  for (const stream of seat.streams) stream.end();
  await seat.handler.close();
}

/** Opens the session-less GET stream of the 2025 revisions. It carries only `list_changed`. */
function openStream(seat: Seat, response: ServerResponse): void {
  response.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    connection: "keep-alive",
  });
  response.write(": open\n\n");
  const timer = setInterval(() => response.write(": alive\n\n"), KEEP_ALIVE_MS);
  seat.streams.add(response);
  response.on("close", () => {
    clearInterval(timer);
    seat.streams.delete(response);
  });
}
