import type { IncomingMessage, ServerResponse } from "node:http";
import { finished } from "node:stream";
import { isJsonContentType } from "@modelcontextprotocol/server";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import type { HttpServer } from "@sonde/service";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Principal } from "../../identity/index.ts";
import { createSeats } from "../core/seats.ts";
import { METHODS, PREFLIGHT, crossOriginHeaders } from "./cross-origin.ts";
import { readMessage, takes } from "./read-message.ts";
import { type ClientServer, forgetProgress, serveClient } from "./serve-client.ts";
import { createToolServer, hashToolList, type ServerPorts } from "./tool-server.ts";

const MAX_STREAMS_PER_KEY = 32;
/** How many principals without a connected client keep their seat. */
const MAX_IDLE_SEATS = 100;
const KEEP_ALIVE_MS = 15_000;
const LIST_CHANGED = JSON.stringify({
  jsonrpc: "2.0",
  method: "notifications/tools/list_changed",
});
/** Clients write the address with and without the last slash. */
const PATHS = ["/mcp", "/mcp/"];
const NOT_KEPT = { "cache-control": "no-store", connection: "close" };
/** The SDK demands this header of the 2025 revisions, though it answers with JSON. */
const BOTH_TYPES = "application/json, text/event-stream";

/**
 * State of one principal's clients, so that each principal hears only of its own list's changes.
 */
type Seat = ClientServer & {
  principal: Principal;
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
export function addMcpEndpoint(app: HttpServer, ports: ServerPorts, version: string): McpEndpoint {
  const seats = createSeats<Seat>({
    maxIdle: MAX_IDLE_SEATS,
    build: buildSeat,
    end: closeSeat,
    report: ports.report,
  });

  function buildSeat(principal: Principal): Seat {
    return {
      ...serveClient((showsViews) => createToolServer(ports, principal, { version, showsViews }), {
        maxSubscriptions: MAX_STREAMS_PER_KEY,
        keepAliveMs: KEEP_ALIVE_MS,
        onerror: ports.report,
      }),
      principal,
      streams: new Set(),
      listHash: hashToolList(ports, principal),
    };
  }

  /** The principal's seat, for as long as the answer is being sent. */
  function takeSeat({ principal }: FastifyRequest, { raw }: FastifyReply): Seat {
    const { seat, giveBack } = seats.take(principal);
    finished(raw, giveBack);
    return seat;
  }

  async function answerPost(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { raw, headers, body } = request;
    if (!isJsonContentType(headers["content-type"])) {
      return refuse(reply, 415, -32_000, "expected the content type application/json");
    }
    if (!takes(headers.accept, "application/json")) {
      return refuse(reply, 406, -32_000, "expected an Accept header that takes application/json");
    }
    const received = body as Received;
    if ("error" in received) {
      const { code, status, message } = received.error;
      return refuse(reply, status, code === "BAD_REQUEST" ? -32_700 : -32_000, message);
    }
    if (!takes(headers.accept, "text/event-stream")) forgetProgress(received.message);
    raw.headers.accept = BOTH_TYPES;
    takeOver(request, reply);
    // A server's request always has both members, but its type makes them optional.
    const asked = raw as IncomingMessage & { method: string; url: string };
    return takeSeat(request, reply).serve(asked, reply.raw, received.message);
  }

  async function answerOther(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { method, headers } = request;
    // A stream stays open, so it is for those who ask for one by name.
    if (method !== "GET" || headers.accept?.includes("text/event-stream") !== true) {
      reply.header("allow", METHODS);
      return refuse(reply, 405, -32_000, "expected a POST, or a GET for text/event-stream");
    }
    const seat = takeSeat(request, reply);
    if (seat.streams.size >= MAX_STREAMS_PER_KEY) {
      throw new SondeError("TOO_MANY_ATTEMPTS", `${MAX_STREAMS_PER_KEY} streams are open already`);
    }
    takeOver(request, reply);
    return openStream(seat, reply.raw);
  }

  void app.register((scope, _options, done) => {
    // A parser reads the body before the guard decides the second time. One of the framework would
    // answer in another format than JSON-RPC.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", async ({ method }: FastifyRequest, payload: IncomingMessage) =>
      method === "POST" ? await receive(payload) : null,
    );
    // Also for refusals, which a client in a web page must be able to read.
    scope.addHook("onSend", async ({ headers }, reply) => {
      reply.headers(crossOriginHeaders(headers.origin));
    });
    for (const url of PATHS) {
      const config = { right: "probe.list", takesCookie: false } as const;
      scope.route({ method: "POST", url, config, handler: answerPost });
      scope.route({ method: ["GET", "DELETE"], url, config, handler: answerOther });
      // A browser asks without a key what it may send (Fetch, 3.3.7).
      scope.options(url, { config: { right: "anybody" } }, (_request, reply) =>
        reply.code(204).headers(PREFLIGHT).send(),
      );
    }
    done();
  });

  return {
    announceChanges() {
      for (const seat of seats.all()) {
        const listHash = hashToolList(ports, seat.principal);
        if (listHash === seat.listHash) continue;
        seat.listHash = listHash;
        seat.handler.notify.toolsChanged();
        for (const stream of seat.streams)
          stream.write(`event: message\ndata: ${LIST_CHANGED}\n\n`);
      }
    },
    dismiss: (principalId) => seats.end(principalId),
    close: () => seats.endAll(),
  };
}

/** What a POST brought. A refusal waits for the handler, which says it in the words of JSON-RPC. */
type Received = { message: unknown } | { error: SondeError };

async function receive(payload: IncomingMessage): Promise<Received> {
  try {
    return { message: await readMessage(payload) };
  } catch (thrown) {
    return { error: toSondeError(thrown) };
  }
}

/** Refuses in the words of JSON-RPC. Closes the connection, because a body may be unread. */
function refuse(reply: FastifyReply, status: number, code: number, message: string): FastifyReply {
  const refusal = { jsonrpc: "2.0", error: { code, message }, id: null };
  return reply.code(status).headers(NOT_KEPT).send(refusal);
}

/** The answer is written to the raw response, which the hooks do not see. */
function takeOver({ headers }: FastifyRequest, reply: FastifyReply): void {
  reply.raw.setHeaders(new Map(Object.entries(crossOriginHeaders(headers.origin))));
  reply.hijack();
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
