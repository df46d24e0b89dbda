import { SondeError } from "@sonde/schemas/errors";
import type { FastifyRequest } from "fastify";
import type { HttpServer } from "./http-server.ts";

declare module "fastify" {
  /** The names that a route may have as its right, one member each. A service adds its own. */
  interface RouteRights {
    anybody: true;
  }
  interface FastifyContextConfig {
    /** What a caller must be allowed to do; `anybody` may read in public, or shows the route itself who they are. */
    right?: keyof RouteRights;
  }
}

/**
 * How a service decides who may do what. It is asked in the order of its
 * members; what one of them throws is the answer, and no later one is asked.
 */
export type Guard<Principal, Right extends string> = {
  /** The request's member under which routes find who is asking. */
  as: string;
  /** Every right there is. A route that names another one does not start. */
  rights: readonly Right[];
  /** Refuses a request whoever sends it, also one for no route. */
  screen?: (request: FastifyRequest) => void;
  /** @throws SondeError UNAUTHENTICATED */
  authenticate: (request: FastifyRequest) => Promise<Principal>;
  /** @throws SondeError FORBIDDEN */
  authorize: (principal: Principal, right: Right, request: FastifyRequest) => void;
  /** Of a valid request, before its handler: what must be durable before anything is told. */
  onAdmitted?: (principal: Principal, right: Right, request: FastifyRequest) => Promise<void>;
  /** Of every FORBIDDEN, also a handler's, before it is answered. What this throws is answered instead. */
  onDenied?: (principal: Principal, request: FastifyRequest, reason: string) => Promise<void>;
};

/** Tells a guard that a request is about to be refused. */
export type RecordDenial = (request: FastifyRequest, error: SondeError) => Promise<void>;

/**
 * From here on a route must name the right it demands, and a request is let
 * through to it only by the guard, before a byte of its body is read.
 *
 * @param guard null: only routes for anybody start
 */
export function installGuard<Principal, Right extends string>(
  app: HttpServer,
  guard: Guard<Principal, Right> | null,
): RecordDenial {
  const rights = new Map<string | undefined, Right>(guard?.rights.map((right) => [right, right]));
  app.addHook("onRoute", ({ method, url, config }) => {
    const right = config?.right;
    if (right === "anybody" || rights.has(right)) return;
    throw new Error(`route ${String(method)} ${url} names no right that this service knows`);
  });
  if (guard === null) return async () => undefined;

  app.decorateRequest(guard.as, null);
  const principalOf = (request: FastifyRequest): Principal | null =>
    request.getDecorator<Principal | null>(guard.as);
  app.addHook("onRequest", async (request) => {
    guard.screen?.(request);
    const { right } = request.routeOptions.config;
    if (right === "anybody" || request.is404) return;
    const demanded = rights.get(right);
    // A route that slipped past onRoute is refused here too.
    if (demanded === undefined) throw new SondeError("FORBIDDEN", "this route names no right");
    const principal = await guard.authenticate(request);
    request.setDecorator(guard.as, principal);
    guard.authorize(principal, demanded, request);
  });
  app.addHook("preHandler", async (request) => {
    const principal = principalOf(request);
    const demanded = rights.get(request.routeOptions.config.right);
    if (principal === null || demanded === undefined) return;
    await guard.onAdmitted?.(principal, demanded, request);
  });
  return async (request, { code, message }) => {
    const principal = principalOf(request);
    if (code === "FORBIDDEN" && principal !== null) {
      await guard.onDenied?.(principal, request, message);
    }
  };
}
