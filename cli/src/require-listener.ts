import { SondeError } from "@sonde/schemas/errors";
import { findListeners, IPV4_LOOPBACK, REACHED_BY } from "./find-listeners.ts";
import { findServiceUids } from "./start/system-users.ts";

/**
 * Checks whose process listens at a loopback address before a key is sent there. Any user of this
 * machine can listen at the port of a hub that is stopped or restarting.
 *
 * @param url of the hub of this machine
 * @param uid the user who must own the listening socket
 * @throws SondeError HUB_UNTRUSTED when it is another's; STARTING_FAILED when nobody listens there
 */
export function requireListener(url: string, uid: number): void {
  const { hostname, port } = new URL(url);
  if (hostname !== IPV4_LOOPBACK) {
    throw new SondeError("HUB_UNTRUSTED", `expected a hub at ${IPV4_LOOPBACK}, got ${hostname}`);
  }
  const owners = findListeners(Number(port), [hostname]);
  if (owners.length === 0) {
    throw new SondeError("STARTING_FAILED", `the hub does not answer: nothing listens at ${url}`);
  }
  const other = owners.find((owner) => owner !== uid);
  if (other === undefined) return;
  throw new SondeError(
    "HUB_UNTRUSTED",
    `expected the hub's user ${uid} at ${url}, but user ${other} listens there; no key was sent`,
  );
}

/**
 * Checks whose processes listen at a registry's loopback address before a token is sent there in
 * the clear: those of root, of the user who asks or of the registry's own user. A registry elsewhere
 * has https, and its certificate says who it is.
 *
 * @param url as parseRegistry returns it
 * @throws SondeError REGISTRY_UNTRUSTED when one is another's; REGISTRY_UNAVAILABLE when nobody
 *   listens there
 */
export function requireRegistryListener(url: string): void {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== "http:") return;
  const owners = findListeners(Number(port || 80), REACHED_BY.get(hostname) ?? []);
  if (owners.length === 0) {
    throw new SondeError(
      "REGISTRY_UNAVAILABLE",
      `the registry does not answer: nothing listens at ${url}`,
    );
  }
  const trusted = findServiceUids("registry");
  const other = owners.find((owner) => !trusted.includes(owner));
  if (other === undefined) return;
  throw new SondeError(
    "REGISTRY_UNTRUSTED",
    `expected a registry of user ${trusted.join(" or ")} at ${url}, but user ${other} listens there; no token was sent`,
  );
}
