import { type Socket, createServer } from "node:net";
import { SondeError } from "@sonde/schemas/errors";

/** The first descriptor that a service manager hands over (sd_listen_fds(3)). */
const LISTENING_FD = 3;

/**
 * Accepts the agent on the listening socket that was handed to this process. Whoever
 * started the runner made the socket, in a folder that only root can write, and lets only
 * the agent connect. So neither side needs a secret, and nobody else can stand in for the
 * runner.
 *
 * @param onAlone is called when the last connection has ended
 * @throws SondeError CONFIG_INVALID when no listening socket was handed over
 */
export async function listenForAgent(
  onConnected: (socket: Socket) => void,
  onAlone: () => void,
  log: (event: string, detail: string) => void,
): Promise<void> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on("close", () => {
      connections -= 1;
      if (connections === 0) onAlone();
    });
    // The agent was killed, or ended the connection. It connects again.
    socket.on("error", (error) => log("agent-gone", error.message));
    onConnected(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      const message = `expected a listening unix socket as descriptor ${LISTENING_FD}, got none (${cause.message}); start the runner with npm start, or by systemd socket activation`;
      reject(new SondeError("CONFIG_INVALID", message, { cause }));
    });
    server.listen({ fd: LISTENING_FD }, resolve);
  });
}
