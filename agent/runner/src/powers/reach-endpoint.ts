import type { Socket } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import type { TlsData } from "@sonde/schemas/reads";
import { type HostAndPort, isLoopback, whyUnreachable } from "@sonde/sources";
import { connectTo } from "./connect-to.ts";
import { isWithinReach } from "./local-address.ts";
import { msSince } from "./ms-since.ts";
import type { PowerContext } from "./power.ts";
import { resolveHost } from "./resolve-host.ts";

/** Most addresses of a name that are tried. */
const MOST_ADDRESSES = 8;

export type Reached = {
  lookupMs: number;
  addresses: TlsData["addresses"];
  /** A connection to the first address that took one. It is open, and the caller's to close. */
  socket: Socket | undefined;
};

/**
 * Looks a host up and connects to each of its addresses at once. The addresses that were checked are
 * the ones that are connected to: the name is looked up once.
 *
 * @param ended aborted when connections that are not there yet count as silent
 * @throws SondeError READ_NOT_GRANTED for an address that no pack may reach, PERMISSION_NEEDED for one
 *   that this runner does not
 */
export async function reachEndpoint(
  { text, host, port }: { text: string; host: string; port: number },
  { reach, signal }: Pick<PowerContext, "reach" | "signal">,
  ended: AbortSignal,
): Promise<Reached> {
  const started = performance.now();
  const found = (await resolveHost(host, signal)).slice(0, MOST_ADDRESSES);
  const lookupMs = msSince(started);
  for (const address of found) {
    const why = whyUnreachable(address);
    if (why !== null) {
      throw new SondeError(
        "READ_NOT_GRANTED",
        `${text}: expected an address that packs may reach, got ${why}`,
      );
    }
    if (!isWithinReach(address, reach)) {
      throw new SondeError(
        "PERMISSION_NEEDED",
        `${text}: the runner reaches the host's own addresses only, got ${address}; see docs/install.md for a runner that reaches others`,
      );
    }
  }
  const tried = await Promise.all(found.map((address) => connectTo({ address, port }, ended)));
  const [socket, ...others] = tried.flatMap((one) => (one.socket === null ? [] : [one.socket]));
  for (const other of others) other.destroy();
  return {
    lookupMs,
    addresses: tried.map(({ address, outcome, ms }) => ({ address, outcome, ms })),
    socket,
  };
}

/**
 * Connects to an endpoint. What is not encrypted never leaves the host, whatever somebody named.
 *
 * @param way how it is named in messages, and whether it will be encrypted
 * @throws SondeError READ_NOT_GRANTED, SOURCE_NOT_FOUND, READ_TIMEOUT or READ_FAILED, and as
 *   `reachEndpoint` does
 */
export async function connectEndpoint(
  endpoint: { text: string } & HostAndPort,
  { where, isSecured }: { where: string; isSecured: boolean },
  context: Pick<PowerContext, "reach" | "signal">,
): Promise<Socket> {
  if (!isSecured && !isLoopback(endpoint)) {
    throw new SondeError(
      "READ_NOT_GRANTED",
      `expected a port of 127.0.0.1 or [::1], since the request is not encrypted, got ${endpoint.text}`,
    );
  }
  const { signal } = context;
  const { socket, addresses } = await reachEndpoint(endpoint, context, signal);
  if (socket !== undefined) return socket;
  const why = [...new Set(addresses.map(({ outcome }) => outcome))].join(", ");
  if (why === "") throw new SondeError("SOURCE_NOT_FOUND", `${where}: the name has no address`);
  const how = why === "connection-refused" ? "nobody listens" : `no connection: ${why}`;
  throw new SondeError(signal.aborted ? "READ_TIMEOUT" : "READ_FAILED", `${where}: ${how}`);
}
