import type { IncomingMessage } from "node:http";
import { SondeError } from "@sonde/schemas/errors";

/** RFC 9112, 3.2.2: the absolute form of a request's target, as a client of a proxy sends it. */
const ABSOLUTE = /^(https?:)\/\/([^/?#]*)/i;

/** Returns the path and query of a request's target, which is all that a route needs. */
export function toOriginForm(target: string): string {
  const rest = target.replace(ABSOLUTE, "");
  return rest === target || rest.startsWith("/") ? rest : `/${rest}`;
}

/**
 * Refuses a request that names two hosts: this service checks one of them, and a proxy before it
 * may have gone by the other (RFC 9112, 3.2).
 *
 * @param target as it was received
 * @throws SondeError BAD_REQUEST
 */
export function refuseSecondHost({ rawHeaders }: IncomingMessage, target: string): void {
  const hosts: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() === "host") hosts.push(rawHeaders[at + 1] ?? "");
  }
  if (hosts.length > 1) {
    throw new SondeError("BAD_REQUEST", `expected one Host header, got ${hosts.length}`);
  }
  const [, scheme, authority] = ABSOLUTE.exec(target) ?? [];
  if (scheme === undefined || authority === undefined) return;
  const named = normalise(scheme, authority);
  if (named !== null && named === normalise(scheme, hosts[0] ?? "")) return;
  throw new SondeError("BAD_REQUEST", "expected a target of the host that the Host header names");
}

/** Returns host and port; null for what is neither. */
function normalise(scheme: string, authority: string): string | null {
  const url = `${scheme}//${authority}`;
  if (authority.includes("@") || !URL.canParse(url)) return null;
  return new URL(url).host;
}
