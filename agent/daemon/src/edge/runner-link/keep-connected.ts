import { type Socket, connect } from "node:net";

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 2000;

export type KeptConnection = {
  /** Ends the connection, and connects again only after `wake`. */
  end(): void;
  /** Connects again at once. */
  wake(): void;
};

/**
 * Connects to a runner's socket, and again whenever the connection ends. Waits with
 * exponential back-off and jitter after failed attempts.
 *
 * @param random a number in [0, 1)
 * @param onConnected called with each new connection; it ends them
 * @param onFailed called after each attempt that made no connection
 */
export function keepConnected(
  socketPath: string,
  random: () => number,
  onConnected: (socket: Socket) => void,
  onFailed: () => void,
  log: (event: string, detail: string) => void,
): KeptConnection {
  let wait = FIRST_WAIT_MS;
  let lastError = "";
  let isKept = true;
  let timer: NodeJS.Timeout | undefined;
  let socket: Socket;
  const attempt = (): void => {
    let isConnected = false;
    const made = connect(socketPath);
    socket = made;
    made.on("connect", () => {
      isConnected = true;
      wait = FIRST_WAIT_MS;
      lastError = "";
      onConnected(made);
    });
    made.on("error", (error) => {
      if (error.message !== lastError) log("runner-unreachable", error.message);
      lastError = error.message;
    });
    made.on("close", () => {
      if (!isConnected) onFailed();
      if (!isKept || made !== socket) return;
      timer = setTimeout(attempt, wait * (0.5 + random() / 2));
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    });
  };
  attempt();
  return {
    end() {
      isKept = false;
      clearTimeout(timer);
      socket.destroy();
    },
    wake() {
      if (isKept) return;
      isKept = true;
      attempt();
    },
  };
}
