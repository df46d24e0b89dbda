import { buildAuditRecord } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import type { Guard } from "@sonde/service";
import type { FastifyRequest } from "fastify";
import {
  type Principal,
  RIGHTS,
  type Right,
  type Target,
  authorize,
} from "../../core/authorize.ts";
import type { RightsLog } from "../store/rights-log.ts";
import { actorOf } from "../store/token-store.ts";

declare module "fastify" {
  interface RouteRights extends Record<Right, true> {}
  interface FastifyRequest {
    /** Set where the route demands a right. */
    caller: Principal;
  }
}

/**
 * Builds the guard that authorizes each request.
 *
 * @param identify returns the caller, or throws UNAUTHENTICATED
 * @param isMirror true refuses every change except an import
 * @param rights records each denied request of an authenticated caller
 */
export function buildGuard(
  identify: (request: FastifyRequest) => Promise<Principal>,
  isMirror: boolean,
  rights: Pick<RightsLog, "append">,
  now: () => Date,
): Guard<Principal, Right> {
  return {
    as: "caller",
    rights: RIGHTS,
    ...(isMirror && { screen: demandMirrored }),
    authenticate: identify,
    authorize: (caller, right, { params }) => authorize(caller, right, targetOf(params)),
    // Recorded, so the use of a stolen token shows.
    onDenied: (caller, { method, routeOptions }, reason) =>
      rights.append(
        buildAuditRecord(now(), "request.denied", {
          principal: actorOf(caller),
          status: "denied",
          code: "FORBIDDEN",
          detail: { method, route: routeOptions.url ?? "", reason },
        }),
      ),
  };
}

function demandMirrored({ method, routeOptions }: FastifyRequest): void {
  // A request without a route has no right, and gets NOT_FOUND later.
  const { right } = routeOptions.config;
  const isRead = right === "anybody" && ["GET", "HEAD"].includes(method);
  if (isRead || right === undefined || right === "import") return;
  throw new SondeError(
    "REGISTRY_READ_ONLY",
    `expected a registry with a log of its own for ${right}, got a mirror`,
  );
}

/** Compares raw path members: an invalid name belongs to no publisher. */
function targetOf(params: unknown): Target {
  const { publisher = null, pack = null } = params as { publisher?: string; pack?: string };
  return { publisher, pack: pack === null ? null : `${publisher}/${pack}` };
}
