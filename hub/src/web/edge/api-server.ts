import { validateHostHeader, validateOriginHeader } from "@modelcontextprotocol/server";
import type { Socket } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import {
  type Guard,
  type HttpServer,
  type HttpServerOptions,
  createHttpServer,
  createRefusalCounts,
  LOOPBACK_HOSTS,
  readBearer,
  type RefusalCounts,
} from "@sonde/service";
import type { FastifyRequest } from "fastify";
import { type AuditLog, buildAuditRecord } from "../../audit/index.ts";
import type { Directory } from "../../directory/index.ts";
import {
  asOfNow,
  type Authenticator,
  authorize,
  type Decision,
  type Principal,
  ROUTE_RIGHTS,
  type RouteRight,
} from "../../identity/index.ts";
import { ACCESS_TOKEN_PREFIX, type GrantTokens } from "../../oauth/index.ts";
import type { Sessions } from "../../people/index.ts";

declare module "fastify" {
  interface RouteRights extends Record<RouteRight, true> {}
  interface FastifyContextConfig {
    /** False where a person's browser is nobody, such as for MCP. */
    takesCookie?: boolean;
  }
  interface FastifyRequest {
    /** What `WWW-Authenticate` of a refusal says; null for the plain one. */
    challenge: string | null;
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
  /** Access tokens of OAuth clients. */
  tokens: Pick<GrantTokens, "find">;
  /** How a client of the route begins (RFC 9728, 5). */
  challenge: (request: FastifyRequest) => string | null;
  tagged: Directory["tagged"];
  auditLog: AuditLog;
  now: () => Date;
};

const MAX_BODY_BYTES = 256 * 1024;
/** How keys and tokens of OAuth clients begin. */
const SECRET = /sonde_(ak|at|rt)_/;
/** A text that is encoded more often than any client would is refused too. */
const MAX_ENCODED = 5;

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
  app.decorateRequest("challenge", null);
  app.addHook("onSend", async (request, reply) => {
    const challenge =
      request.challenge ?? (reply.statusCode === 401 ? options.challenge(request) : null);
    if (challenge !== null && reply.statusCode > 400) reply.header("www-authenticate", challenge);
  });
  app.get("/health", { config: { right: "anybody" } }, () => ({ status: "ok" }));
  return app;
}

/**
 * Builds the guard that authorizes each request. Denials and reads are recorded before the answer.
 */
function buildGuard(options: GuardOptions, refusals: RefusalCounts): Guard<Principal, RouteRight> {
  const { tagged, auditLog, now } = options;
  return {
    as: "principal",
    rights: ROUTE_RIGHTS,
    screen({ headers, ip, raw, originalUrl }) {
      if (namesSecret(originalUrl)) {
        refusals.add(ip, "KEY_IN_ADDRESS");
        throw new SondeError("KEY_IN_ADDRESS", "expected no key in the address, got one");
      }
      const publicHosts = options.publicHosts();
      const hosts = isLocal(raw.socket) ? [...LOOPBACK_HOSTS, ...publicHosts] : publicHosts;
      const refusal = findForeign(headers.host, headers.origin, hosts);
      if (refusal === null) return;
      refusals.add(ip, refusal.code);
      throw refusal;
    },
    authenticate: (request) => authenticate(options, request, true),
    authorize(asking, kind, { ip, params }) {
      const principal = asOfNow(asking);
      demand(authorize(principal, { kind: "enter", address: ip ?? null, at: now().getTime() }));
      const agent = agentOf(params);
      demand(authorize(principal, agent === null ? { kind } : { kind, agent: tagged(agent) }));
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
    async onDenied(principal, { method, routeOptions, ip }, { code, message: reason }) {
      await auditLog.append(
        buildAuditRecord(now(), "request.denied", {
          principal: principal.subject.id,
          status: "denied",
          code,
          detail: {
            ...{ method, route: routeOptions.url ?? "", address: ip ?? null, reason },
          },
        }),
      );
    },
  };
}

/**
 * Finds who sends a request: by the key or the token of its header, or by the browser's session.
 *
 * @param isUse false for an open stream that is looked at again: it keeps no session in use
 * @throws SondeError UNAUTHENTICATED or ORIGIN_REFUSED
 */
export async function authenticate(
  { authenticator, sessions, tokens }: Pick<GuardOptions, "authenticator" | "sessions" | "tokens">,
  request: FastifyRequest,
  isUse: boolean,
): Promise<Principal> {
  const { headers, ip, routeOptions } = request;
  // A browser sends its cookie by itself, also for pages that the person did not mean.
  const takesCookie =
    headers.authorization === undefined && routeOptions.config.takesCookie !== false;
  const person = takesCookie ? await sessions.authenticate(request, isUse) : null;
  const secret = readBearer(headers.authorization);
  if (person === null && secret?.startsWith(ACCESS_TOKEN_PREFIX) === true) {
    const client = await tokens.find(secret, request);
    if (client === null) throw authenticator.refuse(ip);
    return client;
  }
  return person ?? (await authenticator.authenticate(headers.authorization, ip));
}

function demand(decision: Decision): void {
  if (!decision.allowed) throw new SondeError(decision.code, decision.reason);
}

/** The agent that a route is for; null for one that is for the fleet. */
function agentOf(params: unknown): string | null {
  const { agent } = params as { agent?: string };
  return agent ?? null;
}

/**
 * Attack 39: proxies, browsers and histories keep addresses. So no secret of a client opens anything
 * from there, also with another in the header, and no record or answer repeats the address.
 */
function namesSecret(url: string): boolean {
  let text = url;
  for (let level = 0; level < MAX_ENCODED; level++) {
    if (SECRET.test(text)) return true;
    const plain = text.replace(/%([0-7][0-9a-f])/gi, (_all, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    if (plain === text) return false;
    text = plain;
  }
  return true;
}

/**
 * Rights whose routes record their reads themselves, or whose answers are no data of the fleet: a record
 * for each scrape would be most of the log.
 */
const RECORDED_ELSEWHERE: ReadonlySet<RouteRight> = new Set<RouteRight>([
  "audit.read",
  "metrics.read",
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
