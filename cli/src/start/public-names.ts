import { isIP } from "node:net";
import { SondeError } from "@sonde/schemas/errors";

/** As many as a certificate and a person can take. */
const MAX_NAMES = 20;
const LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
/** RFC 1123, 2.1. The last label is no number, since that would be an address. */
const DNS_NAME = new RegExp(`^(${LABEL}\\.)*(?![0-9]+$)${LABEL}$`);

/**
 * Reads the names and addresses by which other machines reach this one.
 *
 * @throws SondeError BAD_REQUEST
 */
export function parsePublicNames(given: readonly string[]): string[] {
  const names = [...new Set(given.map((name) => name.toLowerCase().replaceAll(/[[\]]/g, "")))];
  for (const name of names) {
    if (isPublicName(name)) continue;
    throw new SondeError(
      "BAD_REQUEST",
      `expected --public-name to be a DNS name or an address of this machine in the network, without scheme and port, got ${JSON.stringify(name)}`,
    );
  }
  if (names.length <= MAX_NAMES) return names;
  throw new SondeError(
    "BAD_REQUEST",
    `expected at most ${MAX_NAMES} times --public-name, got ${names.length}`,
  );
}

function isPublicName(name: string): boolean {
  if (isLoopbackName(name)) return false;
  if (isIP(name) !== 0) return !["0.0.0.0", "::"].includes(name);
  return name.length <= 253 && DNS_NAME.test(name);
}

/** True for a name or an address that leads every machine to itself. */
export function isLoopbackName(name: string): boolean {
  return /^localhost$|\.localhost$|^127\.|^::1$/.test(name);
}

/** The address to listen on: all of IPv4, or of both where a name is an IPv6 address. */
export function publicBindAddress(names: readonly string[]): string {
  return names.some((name) => isIP(name) === 6) ? "::" : "0.0.0.0";
}

/** @returns the host as it stands in a URL */
export function toUrlHost(name: string): string {
  return isIP(name) === 6 ? `[${name}]` : name;
}
