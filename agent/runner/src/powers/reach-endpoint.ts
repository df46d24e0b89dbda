import type { Socket } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import type { TlsData } from "@sonde/schemas/reads";
import { whyUnreachable } from "@sonde/sources";
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
