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

/** @param find says where the next one goes */
export function openSockets(find: () => Promise<Address>): Sockets {
  const sockets = new Set<Socket>();
  return {
    async open() {
      const found = await find().then(connectTo, failWith);
      sockets.add(found);
      found.once("close", () => sockets.delete(found));
      return found;
    },
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function connectTo(address: Address): Socket & Address {
  const { host, port } = address;
  const path = join(host, `.s.PGSQL.${port}`);
  const socket = host.startsWith("/") ? connect(path) : connect(port, host);
  // The driver takes the name that a server must prove from its socket.
  return Object.assign(socket, address);
}

/** Fails once the driver listens for it, as a socket does whose server cannot be reached. */
function failWith(thrown: unknown): Socket {
  const cause = thrown instanceof AggregateError ? thrown.errors : thrown;
  const error = Object.assign(new Error("no server of the database takes writes", { cause }), {
    code: "ECONNREFUSED",
  });
  return connect({
    ...{ host: "none", port: 1 },
    lookup: (_host, _options, done) => void setImmediate(done, error, ""),
  });
}
