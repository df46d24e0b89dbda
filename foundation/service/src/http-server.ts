import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { type ErrorCode, nameLogId, SondeError, toSondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import Fastify, { type FastifyError, type FastifyReply, type FastifyRequest } from "fastify";
import { endConnectionsOf } from "./end-connections.ts";
import { type Guard, installGuard, type RecordDenial } from "./guard.ts";
import type { Report } from "./logger.ts";
import { buildProblem, PROBLEM_TYPE } from "./problem.ts";
import { installRateLimits, type RateLimits } from "./rate-limit.ts";
import { refuseSecondHost, toOriginForm } from "./request-target.ts";
import type { HttpServer } from "./server.ts";
import { createProxyTrust, requireProxyAddresses } from "./trusted-proxies.ts";
import { sendPage } from "./web/page.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Builds an HTML page for an error of this route. Without it the answer is a problem in JSON. */
    errorPage?: (error: SondeError) => string;
  }
  interface FastifyReply {
    /** The code of the refusal that this answer is; null for any other. */
    refusal: ErrorCode | null;
  }
}

/** Certificate, with those between it and its authority, and key in PEM. */
export type ServerTls = {
  certificate: string;
  privateKey: string;
  minVersion: "TLSv1.2" | "TLSv1.3";
};

export type HttpServerOptions<Principal = never, Right extends string = never> = {
  report: Report;
  /** Decides who may do what. Without it only routes for anybody start. */
  guard?: Guard<Principal, Right>;
  /** Without it the listener is plain HTTP. */
  tls?: ServerTls;
  /**
   * Addresses and networks of the reverse proxies in front of this server. Only their
   * `X-Forwarded-For` is believed. By default there is none. Read at each request, and checked by
   * `requireProxyAddresses`, also here.
   */
  trustedProxies?: () => readonly string[];
  /** Rate limits per client address, read at each request, and a monotonic clock in ms. */
  rateLimits?: { read: () => RateLimits; nowMs: () => number };
  maxBodyBytes?: number;
  /** How long one request may take to arrive; 0 for no limit. */
  requestTimeoutMs?: number;
  /** How long a connection may be idle; 0 for no limit. */
  idleTimeoutMs?: number;
};

export const HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_BODY_BYTES = 16 * 1024;
const NONE: readonly string[] = [];
/** Sent with every answer, also with errors. */
const NO_SNIFFING = { "x-content-type-options": "nosniff" };
/**
 * No cache may keep a refusal: a missing thing may be added later, and a stopped version
 * released.
 */
const NOT_CACHED = { "cache-control": "no-store" };

/**
 * Creates an HTTP server without routes. Schemas are strict: nothing is coerced, stripped
 * or defaulted. Every error is a problem (RFC 9457) of the error table, and every answer has
 * the request's id. A request passes the rate limits, then the guard. Its body is read only after both.
 */
export function createHttpServer<Principal = never, Right extends string = never>(
  options: HttpServerOptions<Principal, Right>,
): HttpServer {
  const { report, tls, trustedProxies = () => NONE } = options;
  requireProxyAddresses(trustedProxies());
  const settings = {
    // The client is the last address in X-Forwarded-For that is no trusted proxy: each proxy
    // appends the address that it saw, and a client can send the others.
    trustProxy: createProxyTrust(trustedProxies),
    bodyLimit: options.maxBodyBytes ?? MAX_BODY_BYTES,
    requestTimeout: options.requestTimeoutMs ?? 60_000,
    connectionTimeout: options.idleTimeoutMs ?? 0,
    keepAliveTimeout: 65_000,
    forceCloseConnections: true,
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: 100 },
    rewriteUrl: ({ url = "/" }: { url?: string | undefined }) => toOriginForm(url),
    frameworkErrors: answerUnroutable,
    clientErrorHandler: answerBrokenRequest,
    ajv: {
      customOptions: {
        strict: true,
        coerceTypes: false as const,
        removeAdditional: false as const,
        useDefaults: false,
        allErrors: false,
      },
    },
  };
  const app = (
    tls === undefined
      ? Fastify(settings)
      : Fastify({
          ...settings,
          https: {
            cert: tls.certificate,
            key: tls.privateKey,
            minVersion: tls.minVersion,
            handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
          },
        })
  ) as HttpServer;
  if (tls !== undefined) {
    const endConnections = endConnectionsOf(app.server);
    app.addHook("preClose", (done) => {
      endConnections();
      done();
    });
  }
  app.decorateReply("refusal", null);
  acceptJson(app);
  // A response's schema is documentation only. It removes nothing from an answer.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  app.addHook("onRequest", async (request, reply) => {
    // Set on the raw response, so that they are also sent when a handler writes the
    // response itself.
    reply.raw.setHeaders(new Map(Object.entries(headersOf(request))));
    refuseSecondHost(request.raw, request.originalUrl);
  });
  const { rateLimits } = options;
  if (rateLimits !== undefined) installRateLimits(app, rateLimits.read, rateLimits.nowMs);
  const recordDenial = installGuard(app, options.guard ?? null);
  answerErrors(app, report, recordDenial);
  return app;
}

/** Makes JSON in UTF-8 the only kind of body, and each body one that all parsers read alike. */
function acceptJson(app: HttpServer): void {
  const refusePrototypes = app.getDefaultJsonParser("error", "error");
  app.removeContentTypeParser(["application/json", "text/plain"]);
  app.addContentTypeParser<Buffer>(
    "application/json",
    { parseAs: "buffer" },
    (request, bytes, done) => {
      // A DELETE needs no body. Many clients send the type with every request all the same.
      if (request.method === "DELETE" && bytes.length === 0) return done(null);
      let body: unknown;
      try {
        body = parseJson(bytes, "the body", "BAD_REQUEST");
      } catch (thrown) {
        return done(toSondeError(thrown));
      }
      void refusePrototypes(request, bytes.toString("utf8"), (error) => done(error, body));
    },
  );
}

function headersOf({ id }: FastifyRequest): Record<string, string> {
  return { "sonde-request-id": id, ...NO_SNIFFING };
}

/** Answers every error of every route with a problem of the error table, and with nothing else. */
function answerErrors(app: HttpServer, report: Report, recordDenial: RecordDenial): void {
  app.setErrorHandler<FastifyError>(async (thrown, request, reply) => {
    const refused = narrow(thrown);
    const error = await recordDenial(request, refused).then(() => refused, toSondeError);
    if (error.status >= 500) report(error, request.id);
    return sendError(reply, nameLogId(error, request.id), request.routeOptions.config.errorPage);
  });
  app.setNotFoundHandler((request, reply) => {
    const [path] = request.url.split("?");
    const error = new SondeError("NOT_FOUND", `expected a route, got ${request.method} ${path}`);
    return sendError(reply, error);
  });
}

function sendError(
  reply: FastifyReply,
  error: SondeError,
  page?: (error: SondeError) => string,
): FastifyReply {
  reply.refusal = error.code;
  reply.code(error.status).headers(NOT_CACHED);
  // RFC 9110, 15.5.2: a 401 names how to authenticate.
  if (error.code === "UNAUTHENTICATED") reply.header("www-authenticate", 'Bearer realm="sonde"');
  if (page !== undefined) return sendPage(reply, page(error));
  return reply.type(PROBLEM_TYPE).send(buildProblem(error, reply.request.id));
}

/** Answers a request whose path cannot be decoded, so that no route matches it. */
function answerUnroutable(
  thrown: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const error = narrow(thrown);
  // Written to the raw response, since no hook has run for this request. Nothing else may be sent.
  reply.raw.writeHead(error.status, {
    "content-type": PROBLEM_TYPE,
    ...NOT_CACHED,
    ...headersOf(request),
  });
  reply.raw.end(JSON.stringify(buildProblem(error, request.id)));
}

/** Answers bytes that are not an HTTP request, and a request whose header is too large. */
function answerBrokenRequest(_error: Error, socket: Socket): void {
  if (!socket.writable) return;
  const refused = new SondeError("BAD_REQUEST", "expected an HTTP request, got something else");
  const body = JSON.stringify(buildProblem(refused));
  socket.end(
    `HTTP/1.1 ${refused.status} Bad Request\r\nConnection: close\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/**
 * Maps the framework's own errors (malformed body, wrong media type, schema mismatch) to
 * our codes.
 */
function narrow(thrown: Partial<FastifyError>): SondeError {
  if (thrown instanceof SondeError) return thrown;
  const { statusCode, message = "" } = thrown;
  if (statusCode === 413) return new SondeError("BODY_TOO_LARGE", "expected a smaller body");
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new SondeError("BAD_REQUEST", message);
  }
  return toSondeError(thrown);
}
