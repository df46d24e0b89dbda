import { chmodSync, existsSync, mkdirSync, rmSync } from "node:fs";
import type { Server } from "node:net";
import { dirname } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { readConfiguredJson } from "./configured-file.ts";
import type { HttpServer } from "./server.ts";

/** The names of this machine for itself, as URLs have them. */
export const LOOPBACK_HOSTS: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];
const LOOPBACK: ReadonlySet<string> = new Set([...LOOPBACK_HOSTS, "::1"]);
const MAX_PORT = 65_535;

/**
 * Refuses a remote listener without TLS or a proxy, since keys and tokens must not travel
 * in clear text.
 *
 * @throws SondeError INSECURE_LISTENER
 */
export function requireSafeListener(http: {
  host: string;
  tls?: unknown;
  behindProxy: boolean;
}): void {
  if (LOOPBACK.has(http.host) || http.tls !== undefined || http.behindProxy) return;
  throw new SondeError(
    "INSECURE_LISTENER",
    `expected loopback, TLS or behindProxy for a listener on ${http.host}, got plain HTTP`,
  );
}

/**
 * Reads the ports of the last start; 0 for a port that was not kept.
 *
 * @throws SondeError CONFIG_INVALID when the file exists and cannot be read
 */
export function readKeptPorts<Name extends string>(
  file: string,
  names: readonly Name[],
): Record<Name, number> {
  const kept = existsSync(file) ? readConfiguredJson(file, "file of kept ports") : {};
  const ports = new Map(Object.entries(kept ?? {}));
  return Object.fromEntries(names.map((name) => [name, toPort(ports.get(name))])) as Record<
    Name,
    number
  >;
}

function toPort(kept: unknown): number {
  const isPort = typeof kept === "number" && Number.isInteger(kept) && kept >= 0;
  return isPort && kept <= MAX_PORT ? kept : 0;
}

export type Place = {
  host: string;
  /** 0 means the kept port, or any free port when the kept one is taken. */
  port: number;
  /** The port of the last start; 0 when there is none. */
  kept: number;
  /** True when clients depend on the kept port, so that no other port may replace it. */
  isKnown?: boolean;
};

/**
 * @returns the port it listens on
 * @throws SondeError PORT_IN_USE or RIGHT_MISSING
 */
export async function listenOnPort(target: HttpServer | Server, place: Place): Promise<number> {
  const { host, isKnown = false } = place;
  const first = place.port === 0 ? place.kept : place.port;
  try {
    return await tryPort(target, host, first);
  } catch (cause) {
    const inUse = cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE";
    if (!inUse) {
      throw new SondeError("RIGHT_MISSING", `cannot listen on ${host}:${first}`, { cause });
    }
    if (place.port !== 0 || isKnown) {
      throw new SondeError("PORT_IN_USE", `port ${first} on ${host} is in use`);
    }
    return await tryPort(target, host, 0);
  }
}

async function tryPort(target: HttpServer | Server, host: string, port: number): Promise<number> {
  if ("server" in target) {
    await target.listen({ host, port });
    return portOf(target.server);
  }
  await new Promise<void>((done, fail) => {
    target.once("error", fail);
    target.listen(port, host, () => {
      target.off("error", fail);
      done();
    });
  });
  return portOf(target);
}

function portOf(server: Pick<Server, "address">): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/**
 * Listens on a unix socket that only this user and root can open. The folder must belong
 * to this service alone, and the caller must make sure that no other instance runs.
 */
export async function listenOnSocket(app: HttpServer, socket: string): Promise<void> {
  const folder = dirname(socket);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  // Removes the socket of a process that was killed.
  rmSync(socket, { force: true });
  await app.listen({ path: socket });
  chmodSync(socket, 0o600);
}
