import { isIP, isIPv6 } from "node:net";
import { ENDPOINT_PATTERN } from "@sonde/schemas/manifest";

const GRAMMAR = new RegExp(ENDPOINT_PATTERN);
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** A host, by name or address, and a port of it. */
export type HostAndPort = { host: string; port: number };

/** Parses `shop.example:443` and `[2001:db8::1]:443`; null for anything else. */
export function parseEndpoint(text: string): HostAndPort | null {
  if (text.length > 260 || !GRAMMAR.test(text)) return null;
  const colon = text.lastIndexOf(":");
  const port = Number(text.slice(colon + 1));
  const isSix = text.startsWith("[");
  const host = isSix ? text.slice(1, colon - 1) : text.slice(0, colon);
  const isHost = isSix ? isIPv6(host) : isIP(host) !== 0 || isHostName(host);
  return isHost && port <= 65_535 ? { host, port } : null;
}

export function isEndpoint(text: string): boolean {
  return parseEndpoint(text) !== null;
}

function isHostName(host: string): boolean {
  return host.length <= 253 && host.split(".").every((label) => LABEL.test(label));
}
