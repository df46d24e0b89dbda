import { createServer, type Server } from "node:https";
import { endConnectionsOf } from "./end-connections.ts";
import { HANDSHAKE_TIMEOUT_MS, type ServerTls } from "./http-server.ts";
import type { HttpServer } from "./server.ts";

/**
 * Creates a second listener of the same routes, for other machines. It always speaks TLS; the
 * first one stays on loopback for this machine. It closes with the first one, and does not listen
 * yet (docs/adr/0028-public-names.md).
 */
export function createPublicListener(app: HttpServer, tls: ServerTls): Server {
  const { requestTimeout, keepAliveTimeout, timeout } = app.server;
  const server = createServer(
    {
      cert: tls.certificate,
      key: tls.privateKey,
      minVersion: tls.minVersion,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      requestTimeout,
      keepAliveTimeout,
    },
    (request, response) => app.routing(request, response),
  );
  server.timeout = timeout;
  server.on("clientError", (error, socket) => app.server.emit("clientError", error, socket));
  const endConnections = endConnectionsOf(server);
  app.addHook("preClose", async () => {
    if (!server.listening) return;
    await new Promise((done) => {
      server.close(done);
      endConnections();
    });
  });
  return server;
}
