import { LOOPBACK_HOSTS } from "@sonde/service";
import type { ClientRules } from "../../oauth-settings.ts";

/** The addresses at which Claude receives codes. */
export const CLAUDE = [
  "https://claude.ai/api/mcp/auth_callback",
  "https://claude.com/api/mcp/auth_callback",
];
export const CLAUDE_HOSTS = ["claude.ai", "claude.com"];
/** A longer address has no honest use. */
const MAX_LENGTH = 500;

/** True when the rules let the address receive a code. */
export function isAllowedRedirect(redirect: string, rules: ClientRules): boolean {
  const url = parseRedirect(redirect);
  if (url === null) return false;
  if ((rules.redirects ?? CLAUDE).includes(redirect)) return true;
  if (url.protocol === "http:")
    return (rules.loopback ?? true) && LOOPBACK_HOSTS.includes(url.hostname);
  return (rules.origins ?? []).includes(url.origin);
}

/** True when the rules let the address be a client id: the place of a client's metadata. */
export function isAllowedDocument(clientId: string, rules: ClientRules): boolean {
  const url = parsePlain(clientId);
  if (url === null || url.protocol !== "https:" || url.pathname === "/") return false;
  return url.search === "" && (rules.documentHosts ?? CLAUDE_HOSTS).includes(url.host);
}

/**
 * True when a request's redirect address is one that the client has registered: the same text, byte
 * by byte (RFC 9700, 4.1.3). A program on loopback listens on another port each time, so there the
 * port may differ (RFC 8252, 7.3), and nothing else.
 */
export function isRegisteredRedirect(redirect: string, registered: readonly string[]): boolean {
  if (registered.includes(redirect)) return true;
  const withoutPort = dropLoopbackPort(redirect);
  return (
    withoutPort !== null && registered.some((known) => dropLoopbackPort(known) === withoutPort)
  );
}

function dropLoopbackPort(redirect: string): string | null {
  const url = parseRedirect(redirect);
  if (url === null || url.protocol !== "http:" || !LOOPBACK_HOSTS.includes(url.hostname))
    return null;
  return `${url.hostname}${url.pathname}${url.search}`;
}

/** An address that can receive a code: https, or http on loopback. */
function parseRedirect(text: string): URL | null {
  const url = parsePlain(text);
  if (url === null) return null;
  return url.protocol === "https:" ||
    (url.protocol === "http:" && LOOPBACK_HOSTS.includes(url.hostname))
    ? url
    : null;
}

/**
 * Parses an address only when it is written the one way that every reader takes alike: no user, no
 * fragment, no dots in the path, no upper case in the host, nothing encoded that need not be.
 */
function parsePlain(text: string): URL | null {
  if (text.length > MAX_LENGTH || !/^[\x21-\x7e]+$/.test(text) || /[\\"<>^`{|}]/.test(text)) {
    return null;
  }
  const url = URL.parse(text);
  if (url === null || url.username !== "" || url.password !== "" || text.includes("#")) return null;
  if (/%2e|%2f|%5c|%00/i.test(url.pathname)) return null;
  // The parser tidies: what it changes, another reader may read otherwise.
  return url.href === text || url.href === `${text}/` ? url : null;
}
