import { isIP, isIPv6 } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import { ENDPOINT_PATTERN } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import { filledWith } from "./render-template.ts";
import { renderSetting } from "./setting.ts";
import type { Refuse } from "./source-rules.ts";
import { whyUnreachable } from "./unreachable-addresses.ts";

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

/** True for a host to which a connection never leaves this one. A name is none: it can lead anywhere. */
export function isLoopback({ host }: Pick<HostAndPort, "host">): boolean {
  return host === "127.0.0.1" || host === "::1";
}

/** Refuses an endpoint of a manifest that is none, or that no pack may reach. */
export function checkEndpoint(endpoint: string, refuse: Refuse): HostAndPort {
  const parsed = parseEndpoint(endpoint) ?? refuse(`expected a host and a port, got ${endpoint}`);
  const why = whyUnreachable(parsed.host);
  if (why !== null) refuse(`expected a host that packs may reach, got ${why}`);
  return parsed;
}

/**
 * Where to connect, for filled holes.
 *
 * @throws SondeError PARAMS_INVALID for what is no endpoint
 */
export function renderEndpoint(
  { endpoint }: { endpoint?: string | { hole: string } },
  values: FilledRead["values"],
): { text: string } & HostAndPort {
  const text = renderSetting(endpoint, filledWith(values));
  const parsed = parseEndpoint(text);
  if (parsed === null) throw new SondeError("PARAMS_INVALID", "expected a host and a port");
  return { text, ...parsed };
}

/**
 * Returns the endpoints that a caller chose and nobody named: one that fills a hole has to be among
 * those of the grant.
 */
export function unnamedEndpoints(
  { source, values }: FilledRead,
  named: readonly string[] = [],
): string[] {
  return Object.entries(source.holes ?? {}).flatMap(([name, { type }]) => {
    const value = Object.hasOwn(values, name) ? (values[name] ?? "") : "";
    return type === "endpoint" && !named.includes(value) ? [value] : [];
  });
}

function isHostName(host: string): boolean {
  return host.length <= 253 && host.split(".").every((label) => LABEL.test(label));
}
