import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { validateHostHeader, validateOriginHeader } from "@modelcontextprotocol/server";
import { SondeError } from "@sonde/schemas/errors";
import Fastify, { type FastifyInstance, type FastifyRequest, type RawServerDefault } from "fastify";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyBaseLogger } from "fastify";
import type { AuditLog } from "../../core/audit-log.ts";
import { buildAuditRecord } from "../../core/audit-record.ts";
import { type Action, authorize, type Principal } from "../../core/authorize.ts";
import type { Authenticator } from "./authenticate.ts";
import { deny } from "./deny.ts";
import {
  answerBrokenRequest,
  answerUnroutable,
  installErrorHandling,
  STRICT_AJV,
} from "./error-handling.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What a caller must be allowed to do. A route without it, or `public`, does not start. */
    action?: Exclude<Action, { kind: "probe.call" }>;
    /** Answers anybody; for health alone. */
    public?: true;
  }
  interface FastifyRequest {
    principal: Principal;
  }
}

export type HttpServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export type HttpOptions = {
  tls?: { certificate: string; privateKey: string };
  /** Host names this hub may be called by, besides the loopback ones. */
  publicHosts: string[];
  authenticator: Authenticator;
  auditLog: AuditLog;
  now: () => Date;
  report: (error: Error) => void;
};

const MAX_BODY_BYTES = 256 * 1024;
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/**
 * The hub's HTTP listener without routes. Every request passes here: host and
 * origin, then the key, then the policy, all before a body is read.
 */
export function createHttpServer(options: HttpOptions): HttpServer {
  const common = {
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: 60_000,
    connectionTimeout: 0,
    keepAliveTimeout: 65_000,
    forceCloseConnections: true,
    ajv: STRICT_AJV,
    // What fails before a route is found, such as a path that cannot be decoded.
    frameworkErrors: answerUnroutable,
    clientErrorHandler: answerBrokenRequest,
    routerOptions: { maxParamLength: 100 },
  };
  const app = (
    options.tls === undefined
      ? Fastify(common)
      : Fastify({
          ...common,
          https: {
            cert: options.tls.certificate,
            key: options.tls.privateKey,
            minVersion: "TLSv1.2",
          },
        })
  ) as HttpServer;
  installErrorHandling(app, options.report);
  app.decorateRequest("principal");

  const hosts = [...LOOPBACK, ...options.publicHosts];
  app.addHook("onRequest", async (request) => {
    refuseForeignOrigin(request.headers.host, request.headers.origin, hosts);
    const { config } = request.routeOptions;
    if (config.public === true || request.is404) return;
    request.principal = await options.authenticator.authenticate(
      request.headers.authorization,
      request.ip,
    );
    // A route that slipped past onRoute below is refused here too.
    const decision =
      config.action === undefined
        ? ({ allowed: false, code: "FORBIDDEN", reason: "this route has no policy" } as const)
        : authorize(request.principal, config.action);
    if (!decision.allowed) await deny(options, request, decision.reason);
  });
  // After the request is known to be valid, and before anything is told.
  app.addHook("preHandler", (request) => recordRead(options, request));
  app.addHook("onRoute", (route) => {
    if (route.config?.action === undefined && route.config?.public !== true) {
      throw new Error(`route ${String(route.method)} ${route.url} has no policy action`);
    }
  });
  app.get("/health", { config: { public: true } }, () => ({ status: "ok" }));
  return app;
}

/** Reads that leave a row of their own, and the stream of changes, which tells nothing. */
const RECORDED_ELSEWHERE: ReadonlySet<string> = new Set(["audit.read", "probe.list"]);

/** Who looked at what: every read of the API is in the audit log before it is answered. */
async function recordRead({ auditLog, now }: HttpOptions, request: FastifyRequest): Promise<void> {
  const { config, url = "" } = request.routeOptions;
  if (request.method !== "GET" && request.method !== "HEAD") return;
  if (config.action === undefined || RECORDED_ELSEWHERE.has(config.action.kind)) return;
  await auditLog.append(
    buildAuditRecord(now(), "log.read", {
      principal: request.principal.id,
      detail: { route: url, params: request.params },
    }),
  );
}

/** Attack 32: a web page that resolves its own name to this address is still foreign. */
function refuseForeignOrigin(
  host: string | undefined,
  origin: string | undefined,
  allowed: string[],
): void {
  const checkedHost = validateHostHeader(host, allowed);
  if (!checkedHost.ok) throw new SondeError("ORIGIN_REFUSED", checkedHost.message);
  const checkedOrigin = validateOriginHeader(origin, allowed);
  if (!checkedOrigin.ok) throw new SondeError("ORIGIN_REFUSED", checkedOrigin.message);
}

const LOOPBACK_ADDRESSES = new Set(["127.0.0.1", "::1", "localhost"]);

/**
 * @throws SondeError INSECURE_LISTENER when keys would travel in the clear
 */
export function requireSafeListener(http: {
  host: string;
  tls?: unknown;
  behindProxy: boolean;
}): void {
  if (LOOPBACK_ADDRESSES.has(http.host) || http.tls !== undefined || http.behindProxy) return;
  throw new SondeError(
    "INSECURE_LISTENER",
    `expected TLS or behindProxy for a listener on ${http.host}, got plain HTTP`,
  );
}
