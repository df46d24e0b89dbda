import type { Server, Socket } from "node:net";

/**
 * Returns what ends every connection of a TLS server. Node's own `closeAllConnections` knows none
 * before its handshake, so a silent client would hold up the stop until the handshake's time limit.
 */
export function endConnectionsOf(server: Server): () => void {
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  return () => {
    for (const socket of open) socket.destroy();
  };
}
