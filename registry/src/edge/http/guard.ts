import { type ErrorCode, SondeError } from "@sonde/schemas/errors";
import type { Guard } from "@sonde/service";
import type { FastifyRequest } from "fastify";
import {
  type Principal,
  RIGHTS,
  type Right,
  type Target,
  authorize,
} from "../../core/authorize.ts";

declare module "fastify" {
  interface RouteRights extends Record<Right, true> {}
  interface FastifyContextConfig {
    /** How the route refuses, besides what every route does. */
    errors?: readonly ErrorCode[];
  }
  interface FastifyRequest {
    /** Set where the route demands a right. */
    caller: Principal;
  }
}

/**
 * Who may do what at the registry.
 *
 * @param identify who sends a request, or UNAUTHENTICATED
 * @param isMirror nothing is changed but by an import, whoever asks
 */
export function buildGuard(
  identify: (request: FastifyRequest) => Promise<Principal>,
  isMirror: boolean,
): Guard<Principal, Right> {
  return {
    as: "caller",
    rights: RIGHTS,
    ...(isMirror && { screen: demandMirrored }),
    authenticate: identify,
    authorize: (caller, right, { params }) => authorize(caller, right, targetOf(params)),
  };
}

function demandMirrored({ method, routeOptions }: FastifyRequest): void {
  // A request for no route has none, and gets nothing but NOT_FOUND.
  const { right } = routeOptions.config;
  const isRead = right === "anybody" && ["GET", "HEAD"].includes(method);
  if (isRead || right === undefined || right === "import") return;
  throw new SondeError(
    "REGISTRY_READ_ONLY",
    `expected a registry with a log of its own for ${right}, got a mirror`,
  );
}

/** Compared as they came: what is no valid name is nobody's. */
function targetOf(params: unknown): Target {
  const { publisher = null, pack = null } = params as { publisher?: string; pack?: string };
  return { publisher, pack: pack === null ? null : `${publisher}/${pack}` };
}
