import type { HttpServer } from "@sonde/service";
import { INTERACTIVE } from "@sonde/service/web";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Provider } from "oidc-provider";
import { PATHS } from "../core/paths.ts";

type Methods = "GET" | "POST" | ("POST" | "OPTIONS")[];

const ROUTES: readonly [method: Methods, path: string, kind: "page" | "json"][] = [
  ["GET", PATHS.authorization, "page"],
  ["GET", `${PATHS.authorization}/:uid`, "page"],
  [["POST", "OPTIONS"], PATHS.token, "json"],
  [["POST", "OPTIONS"], PATHS.registration, "json"],
  [["POST", "OPTIONS"], PATHS.revocation, "json"],
  [["POST", "OPTIONS"], PATHS.device, "json"],
];

/**
 * Adds the endpoints of the authorization server that the library answers. Only these of its routes
 * are reachable. The hub's guard has screened host and origin of each request.
 *
 * @param origin of the hub, from its configuration
 */
export function mountProvider(
  app: HttpServer,
  { origin, open }: { origin: () => string; open: () => Promise<Provider> },
): void {
  async function answer(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const provider = await open();
    reply.hijack();
    setOwnAddress(request, origin());
    await provider.callback()(request.raw, reply.raw);
  }

  void app.register((scope, _options, done) => {
    // The library reads the body itself, at most 56 KB of it.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, parsed) => parsed(null, undefined));
    for (const [method, url, kind] of ROUTES) {
      scope.route({
        method,
        url,
        config: { right: "anybody" },
        async handler(request, reply) {
          const headers = kind === "page" ? INTERACTIVE : allowPage(request.headers.origin);
          reply.raw.setHeaders(new Map(Object.entries(headers)));
          if (request.method === "OPTIONS") return await reply.code(204).send();
          return await answer(request, reply);
        },
      });
    }
    done();
  });
}

/**
 * Replaces what a request says of host, scheme and address by what the hub knows: the library makes
 * addresses of it (attack 32), and keeps the address of whoever uses a token.
 */
function setOwnAddress({ raw, ip }: FastifyRequest, origin: string): void {
  const { host, protocol } = new URL(origin);
  delete raw.headers["x-forwarded-host"];
  delete raw.headers["x-http-method-override"];
  raw.headers.host = host;
  raw.headers["x-forwarded-proto"] = protocol.slice(0, -1);
  raw.headers["x-forwarded-for"] = ip;
}

/**
 * Lets a client that is a web page of an origin on the hub's list read the answer (Fetch, 3.3). No
 * endpoint of these looks at a cookie.
 */
function allowPage(origin: string | undefined): Record<string, string> {
  if (origin === undefined) return {};
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "POST, OPTIONS",
    "access-control-allow-headers": "content-type, mcp-protocol-version",
    vary: "origin",
  };
}
