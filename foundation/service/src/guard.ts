import { SondeError } from "@sonde/schemas/errors";
import type { FastifyRequest } from "fastify";
import type { HttpServer } from "./server.ts";

declare module "fastify" {
  /** The rights that a route may name, one member each. A service adds its own. */
  interface RouteRights {
    anybody: true;
  }
  interface FastifyContextConfig {
    /**
     * The right that a caller needs. `anybody` is for public reads, and for routes that
     * authenticate the caller themselves.
     */
    right?: keyof RouteRights;
  }
}

/**
 * How a service decides who may do what. The functions run in the order of the members.
 * An error that one throws is the answer, and no later one runs. A body may take a minute to
 * arrive, so `authenticate` and `authorize` run a second time when it is there: a key that was
 * revoked meanwhile does nothing.
 */
export type Guard<Principal, Right extends string> = {
  /** The request's member that gives routes the authenticated principal. */
  as: string;
  /** Every right of the service. A route that names another right does not start. */
  rights: readonly Right[];
  /** Checks every request before authentication, also one without a route. */
  screen?: (request: FastifyRequest) => void;
  /** @throws SondeError UNAUTHENTICATED */
  authenticate: (request: FastifyRequest) => Promise<Principal>;
  /** @throws SondeError the denial */
  authorize: (principal: Principal, right: Right, request: FastifyRequest) => void;
  /**
   * Called for a valid request before its handler: writes what must be durable before the
   * answer.
   */
  onAdmitted?: (principal: Principal, right: Right, request: FastifyRequest) => Promise<void>;
  /**
   * Called for every denial before it is answered: each error of `authorize`, and each FORBIDDEN of a
   * handler. An error thrown here is answered instead.
   */
  onDenied?: (principal: Principal, request: FastifyRequest, denial: SondeError) => Promise<void>;
};

/** Tells the guard that a request is about to be refused. */
export type RecordDenial = (request: FastifyRequest, error: SondeError) => Promise<void>;

/**
 * Every route added after this call must name a right. The guard decides on a request
 * before any of its body is read.
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
  const denials = new WeakSet<SondeError>();
  const decide = async (request: FastifyRequest, demanded: Right): Promise<Principal> => {
    const principal = await guard.authenticate(request);
    request.setDecorator(guard.as, principal);
    try {
      guard.authorize(principal, demanded, request);
    } catch (thrown) {
      if (thrown instanceof SondeError) denials.add(thrown);
      throw thrown;
    }
    return principal;
  };
  app.addHook("onRequest", async (request) => {
    guard.screen?.(request);
    const { right } = request.routeOptions.config;
    if (right === "anybody" || request.is404) return;
    const demanded = rights.get(right);
    // Refuses a route that was added without running the onRoute hook.
    if (demanded === undefined) throw new SondeError("FORBIDDEN", "this route names no right");
    await decide(request, demanded);
  });
  app.addHook("preHandler", async (request) => {
    const demanded = rights.get(request.routeOptions.config.right);
    if (principalOf(request) === null || demanded === undefined) return;
    const principal = await decide(request, demanded);
    await guard.onAdmitted?.(principal, demanded, request);
  });
  return async (request, error) => {
    const principal = principalOf(request);
    if (principal !== null && (error.code === "FORBIDDEN" || denials.has(error))) {
      await guard.onDenied?.(principal, request, error);
    }
  };
}
