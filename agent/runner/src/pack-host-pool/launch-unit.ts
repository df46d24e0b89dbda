import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import type { PackHostLauncher, StartedPackHost } from "./pack-host-launcher.ts";

/** The end of a unit takes milliseconds, and more on a machine that is overloaded. */
const STUCK_MS = 5000;

/**
 * Starts pack hosts as units of systemd: each connection to the socket of
 * `sonde-pack-host.socket` is one. Systemd holds the connection too, until nothing of the pack host
 * is left, and a pack host cannot shut it down. So its end cannot be feigned. A pack host that is
 * under an attacker's control may ignore that the runner has closed the connection. Then the runner
 * ends, and systemd ends the pack hosts that are bound to it.
 *
 * @param onStuck called with a description when a pack host outlives its connection; ends the runner
 */
export function createUnitLauncher(
  socketPath: string,
  onStuck: (what: string) => void,
): PackHostLauncher {
  return {
    confinement: "unit",
    async start() {
      const socket = connect({ path: socketPath, allowHalfOpen: true });
      await untilConnected(socket, socketPath);
      return serveOn(socket, onStuck);
    },
  };
}

/** The kernel answers at once, whatever systemd does. */
async function untilConnected(socket: Socket, socketPath: string): Promise<void> {
  try {
    await once(socket, "connect");
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    const message = `expected the socket of pack hosts at ${socketPath}, got ${got}; on the host: sudo systemctl start sonde-pack-host.socket`;
    throw new SondeError("STARTING_FAILED", message, { cause });
  }
}

function serveOn(socket: Socket, onStuck: (what: string) => void): StartedPackHost {
  const ended = new Promise<void>((resolve) => {
    // Each is the end of the connection at systemd's side, which comes last.
    socket.once("end", resolve).once("close", () => resolve());
    // It ended with bytes unread.
    socket.on("error", () => resolve());
  });
  void ended.then(() => socket.destroy());
  let isKilled = false;
  return {
    ...{ input: socket, output: socket, ended },
    kill() {
      if (isKilled) return;
      isKilled = true;
      // Half of it stays open, and shows the end.
      socket.end();
      const stuck = setTimeout(
        () => onStuck(`a pack host runs ${STUCK_MS} ms after its connection was closed`),
        STUCK_MS,
      );
      void ended.then(() => clearTimeout(stuck));
    },
  };
}
