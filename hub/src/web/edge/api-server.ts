import { validateHostHeader, validateOriginHeader } from "@modelcontextprotocol/server";
import type { Socket } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import {
  type Guard,
  type HttpServer,
  type HttpServerOptions,
  createHttpServer,
  createRefusalCounts,
  type RefusalCounts,
} from "@sonde/service";
import type { FastifyRequest } from "fastify";
import { type AuditLog, buildAuditRecord } from "../../audit/index.ts";
import {
  type Authenticator,
  authorize,
  type Principal,
  ROUTE_RIGHTS,
  type RouteRight,
} from "../../identity/index.ts";
import type { Sessions } from "../../people/index.ts";

declare module "fastify" {
  interface RouteRights extends Record<RouteRight, true> {}
  interface FastifyContextConfig {
    /** False where a person's browser is nobody, such as for MCP. */
    takesCookie?: boolean;
  }
  interface FastifyRequest {
    /** Set where the route demands a right. */
    principal: Principal;
  }
}

export type ApiServerOptions = Pick<HttpServerOptions, "report" | "tls" | "trustedProxies"> &
  GuardOptions;

type GuardOptions = {
  /** Host names by which this hub may be called; on loopback, besides the loopback names. */
  publicHosts: () => string[];
  authenticator: Authenticator;
  sessions: Pick<Sessions, "authenticate">;
  auditLog: AuditLog;
  now: () => Date;
};

const MAX_BODY_BYTES = 256 * 1024;
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Creates the hub's HTTP listener without routes. Every request passes its guard: host and origin,
 * then the key, then the right, all before the body is read.
 */
export function createApiServer(options: ApiServerOptions): HttpServer {
  const { report, tls, trustedProxies } = options;
  const refusals = createRefusalCounts({ event: "request.refused", ...options });
  const app = createHttpServer({
    report,
    ...(tls !== undefined && { tls }),
    ...(trustedProxies !== undefined && { trustedProxies }),
    maxBodyBytes: MAX_BODY_BYTES,
    guard: buildGuard(options, refusals),
  });
  app.addHook("onClose", () => refusals.close());
  app.get("/health", { config: { right: "anybody" } }, () => ({ status: "ok" }));
  return app;
}

/**
 * Builds the guard that authorizes each request. Denials and reads are recorded before the answer.
 */
function buildGuard(options: GuardOptions, refusals: RefusalCounts): Guard<Principal, RouteRight> {
  const { auditLog, now } = options;
  return {
    as: "principal",
    rights: ROUTE_RIGHTS,
    screen({ headers, ip, raw }) {
      const publicHosts = options.publicHosts();
      const hosts = isLocal(raw.socket) ? [...LOOPBACK, ...publicHosts] : publicHosts;
      const refusal = findForeign(headers.host, headers.origin, hosts);
      if (refusal === null) return;
      refusals.add(ip, refusal.code);
      throw refusal;
    },
    authenticate: (request) => authenticate(options, request, true),
    authorize(principal, kind) {
      const decision = authorize(principal, { kind });
      if (!decision.allowed) throw new SondeError(decision.code, decision.reason);
    },
    async onAdmitted(principal, right, request) {
      if (!isRead(request) || RECORDED_ELSEWHERE.has(right)) return;
      const { params, routeOptions } = request;
      const detail = { route: routeOptions.url ?? "", params };
      await auditLog.append(
        buildAuditRecord(now(), "log.read", { principal: principal.subject.id, detail }),
      );
    },
    // Denied requests are recorded, so the use of a stolen key shows.
    async onDenied(principal, { method, routeOptions }, reason) {
      await auditLog.append(
        buildAuditRecord(now(), "request.denied", {
          principal: principal.subject.id,
          status: "denied",
          code: "FORBIDDEN",
          detail: { method, route: routeOptions.url ?? "", reason },
        }),
      );
    },
  };
}

/**
 * Finds who sends a request: by the key of its header, or by the browser's session.
 *
 * @param isUse false for an open stream that is looked at again: it keeps no session in use
 * @throws SondeError UNAUTHENTICATED or ORIGIN_REFUSED
 */
export async function authenticate(
  { authenticator, sessions }: Pick<GuardOptions, "authenticator" | "sessions">,
  request: FastifyRequest,
  isUse: boolean,
): Promise<Principal> {
  const { headers, ip, routeOptions } = request;
  // A browser sends its cookie by itself, also for pages that the person did not mean.
  const takesCookie =
    headers.authorization === undefined && routeOptions.config.takesCookie !== false;
  const person = takesCookie ? await sessions.authenticate(request, isUse) : null;
  return person ?? (await authenticator.authenticate(headers.authorization, ip));
}

/** Rights whose routes record their reads themselves, or whose stream carries no data. */
const RECORDED_ELSEWHERE: ReadonlySet<RouteRight> = new Set<RouteRight>([
  "audit.read",
  "probe.list",
]);

function isRead({ method }: FastifyRequest): boolean {
  return method === "GET" || method === "HEAD";
}

/** True for a connection that never left this machine: to a loopback address or a unix socket. */
function isLocal({ localAddress }: Socket): boolean {
  return localAddress === undefined || /^(::ffff:)?127\.|^::1$/.test(localAddress);
}

/**
 * Attack 32 (DNS rebinding): a web page may resolve its own name to this address, so Host and
 * Origin must be on the allow list.
 */
function findForeign(
  host: string | undefined,
  origin: string | undefined,
  allowed: string[],
): SondeError | null {
  const checkedHost = validateHostHeader(host, allowed);
  if (!checkedHost.ok) return new SondeError("ORIGIN_REFUSED", checkedHost.message);
  const checkedOrigin = validateOriginHeader(origin, allowed);
  return checkedOrigin.ok ? null : new SondeError("ORIGIN_REFUSED", checkedOrigin.message);
}
