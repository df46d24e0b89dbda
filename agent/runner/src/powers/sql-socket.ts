import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import type { SqlConnection } from "./sql-engine.ts";

/** A connection to a server that sends no more than it may. */
export type SqlSocket = {
  readonly socket: Socket;
  /** Ends the connection for a reason that its user is told in place of the driver's. */
  end(why: SondeError): void;
  why(): SondeError | null;
};

/** Connects once. The connection ends at the deadline, and when more comes than may. */
export async function openSocket({
  path,
  mostBytes,
  signal,
}: Pick<SqlConnection, "path" | "mostBytes" | "signal">): Promise<SqlSocket> {
  const socket = connect({ path, signal });
  // The driver adds its own listener later; without this one an early error would end the process.
  socket.on("error", () => undefined);
  await once(socket, "connect", { signal });
  let ended: SondeError | null = null;
  let left = mostBytes;
  const end = (why: SondeError): void => {
    ended ??= why;
    socket.destroy();
  };
  socket.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) {
      end(new SondeError("READ_FAILED", `the server sent more than ${mostBytes} bytes`));
    }
  });
  return { socket, end, why: () => ended };
}
