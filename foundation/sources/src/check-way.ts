import { checkPath } from "./check-path.ts";
import { reachesPrivatePath } from "./declared-private-paths.ts";
import { checkEndpoint, isLoopback } from "./endpoint.ts";
import type { Refuse } from "./source-rules.ts";

/** How a service is reached: exactly one of `socket` and `endpoint` is there. */
export type Way = {
  socket?: string;
  endpoint?: string | { hole: string };
  /** Encrypted, and the server verified. */
  tls?: true;
};

/** Refuses a way to a service that is none, or on which somebody else could answer. */
export function checkWay(way: Way, refuse: Refuse): void {
  if (way.socket === undefined) return checkPort(way, refuse);
  if (way.endpoint !== undefined || way.tls === true) {
    refuse("expected either a socket or an endpoint");
  }
  checkSocket(way.socket, refuse);
}

/** Refuses a unix socket that no pack may use. */
export function checkSocket(socket: string, refuse: Refuse): void {
  checkPath(socket, undefined, refuse);
  if (reachesPrivatePath(socket)) refuse(`expected a socket packs may use, got ${socket}`);
}

/** What is not encrypted stays on the host: anybody on the way could change it. */
function checkPort({ endpoint, tls }: Way, refuse: Refuse): void {
  if (endpoint === undefined) return refuse("expected either a socket or an endpoint");
  if (typeof endpoint === "object") return;
  if (!isLoopback(checkEndpoint(endpoint, refuse)) && tls !== true) {
    refuse(`expected tls, or a port of 127.0.0.1 or [::1], got ${endpoint}`);
  }
}
