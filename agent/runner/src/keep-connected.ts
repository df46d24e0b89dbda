import { type Socket, connect } from "node:net";

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 2000;

/**
 * Connects to the agent's socket, and again whenever the connection ends. Waits with
 * exponential back-off and jitter after failed attempts.
 *
 * @param random a number in [0, 1)
 * @param onConnected called with each new connection
 */
export function keepConnected(
  socketPath: string,
  random: () => number,
  onConnected: (socket: Socket) => void,
  log: (event: string, detail: string) => void,
): void {
  let wait = FIRST_WAIT_MS;
  let lastError = "";
  const attempt = (): void => {
    const socket = connect(socketPath);
    socket.on("connect", () => {
      wait = FIRST_WAIT_MS;
      lastError = "";
      onConnected(socket);
    });
    socket.on("error", (error) => {
      if (error.message !== lastError) log("agent-unreachable", error.message);
      lastError = error.message;
    });
    socket.on("close", () => {
      setTimeout(attempt, wait * (0.5 + random() / 2));
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    });
  };
  attempt();
}
