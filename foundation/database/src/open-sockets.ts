import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import type { Address } from "./read-servers.ts";

/** The open sockets of a pool. */
export type Sockets = {
  /** What the driver calls for each connection. It never rejects: the socket fails instead. */
  open: () => Promise<Socket & Partial<Address>>;
  /** Ends all that are open. */
  destroy(): void;
};

const CONNECT_MS = 10_000;
/** In which the driver comes to listen to a socket, and hands it what it begins with. */
const HANDED_MS = 20;

/** @param find says where the next one goes */
export function openSockets(find: () => Promise<Address>): Sockets {
  const sockets = new Set<Socket>();
  return {
    async open() {
      const socket = await find().then(connectTo).catch(failWith);
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      return socket;
    },
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** The driver writes at once, and loses what it writes to a socket that does not come to connect. */
async function connectTo(address: Address): Promise<Socket & Address> {
  const { host, port } = address;
  const path = join(host, `.s.PGSQL.${port}`);
  const socket = host.startsWith("/") ? connect(path) : connect(port, host);
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(CONNECT_MS) });
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  }
  // The driver takes the name that a server must prove from its socket.
  return Object.assign(socket, address);
}

/** Fails once the driver has it, as a socket does whose server cannot be reached. */
function failWith(thrown: unknown): Socket {
  const cause = thrown instanceof AggregateError ? thrown.errors : thrown;
  const error = Object.assign(new Error("no server of the database takes writes", { cause }), {
    code: "ECONNREFUSED",
  });
  return connect({
    ...{ host: "none", port: 1 },
    lookup: (_host, _options, done) => void setTimeout(done, HANDED_MS, error, ""),
  });
}
