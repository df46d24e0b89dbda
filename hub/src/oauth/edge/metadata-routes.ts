import type { HttpServer } from "@sonde/service";
import { describeResource, describeServer, RESOURCE_METADATA_PATHS } from "../core/metadata.ts";

const SERVER = "/.well-known/oauth-authorization-server";
/** Short, since a changed configuration changes it. */
const CACHED = "public, max-age=300";

/** Adds the documents by which a client finds the authorization server and what it can do. */
export function addMetadataRoutes(
  app: HttpServer,
  { origin, grantTypes }: { origin: () => string; grantTypes: () => readonly string[] },
): void {
  void app.register((scope, _options, done) => {
    // Anybody may read these. A client in a web page may, when the guard let its origin in.
    scope.addHook("onSend", async ({ headers }, reply) => {
      if (headers.origin === undefined) return;
      reply.headers({ "access-control-allow-origin": headers.origin, vary: "origin" });
    });
    const config = { right: "anybody" } as const;
    for (const [path, kind] of RESOURCE_METADATA_PATHS) {
      scope.get(path, { config }, ({ headers }, reply) =>
        reply.header("cache-control", CACHED).send(describeResource(origin(), kind, headers.host)),
      );
    }
    scope.get(SERVER, { config }, (_request, reply) =>
      reply.header("cache-control", CACHED).send(describeServer(origin(), grantTypes())),
    );
    for (const path of [...RESOURCE_METADATA_PATHS.map(([known]) => known), SERVER]) {
      scope.options(path, { config }, (_request, reply) =>
        reply
          .code(204)
          .header("access-control-allow-methods", "GET, OPTIONS")
          .header("access-control-allow-headers", "mcp-protocol-version")
          .send(),
      );
    }
    done();
  });
}
