import { type ErrorCode, SondeError } from "@sonde/schemas/errors";
import type { FastifyRequest } from "fastify";
import { type Action, type Principal, authorize } from "../../core/authorize.ts";
import type { HttpServer } from "./http-server.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What a caller must be allowed to do; `anybody` may read in public, or shows the route itself who they are. */
    right?: Action | "anybody";
    /** How the route refuses, besides what every route does. */
    errors?: readonly ErrorCode[];
  }
  interface FastifyRequest {
    /** Set where the route demands a right. */
    caller: Principal;
  }
}

/**
 * From here on a route must name the right it demands, and a request is let
 * through to it only by `authorize`, before a byte of its body is read.
 *
 * @param identify who sends a request, or UNAUTHENTICATED
 * @param options `isMirror`: nothing is changed but by an import, whoever asks
 */
export function guardRoutes(
  app: HttpServer,
  identify: (request: FastifyRequest) => Promise<Principal>,
  { isMirror = false } = {},
): void {
  app.decorateRequest("caller");
  app.addHook("onRoute", ({ method, url, config }) => {
    if (config?.right === undefined) {
      throw new Error(`route ${String(method)} ${url} names no right`);
    }
  });
  app.addHook("onRequest", async (request) => {
    // A request for no route has none, and gets nothing but NOT_FOUND.
    const { right } = request.routeOptions.config;
    if (isMirror) demandMirrored(right, request.method);
    if (right === undefined || right === "anybody") return;
    request.caller = await identify(request);
    authorize(request.caller, right, targetOf(request.params));
  });
}

function demandMirrored(right: Action | "anybody" | undefined, method: string): void {
  const isRead = right === "anybody" && ["GET", "HEAD"].includes(method);
  if (isRead || right === undefined || right === "import") return;
  throw new SondeError(
    "REGISTRY_READ_ONLY",
    `expected a registry with a log of its own for ${right}, got a mirror`,
  );
}

/** Compared as they came: what is no valid name is nobody's. */
function targetOf(params: unknown): { publisher: string | null; pack: string | null } {
  const { publisher = null, pack = null } = params as { publisher?: string; pack?: string };
  return { publisher, pack: pack === null ? null : `${publisher}/${pack}` };
}
