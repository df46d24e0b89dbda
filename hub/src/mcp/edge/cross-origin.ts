type Headers = Record<string, string>;

/** Headers that MCP clients send. */
const SENT =
  "accept, authorization, content-type, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id";
const READ = "mcp-protocol-version, mcp-session-id, sonde-request-id, www-authenticate";
export const METHODS = "GET, POST, OPTIONS";

/**
 * Headers by which a client in a web page may read an answer (Fetch, 3.3). The guard refused every
 * origin that is not on the hub's list. There is no access with cookies, and no `*`: the page sends
 * an API key itself.
 */
export function crossOriginHeaders(origin: string | undefined): Headers {
  if (origin === undefined) return {};
  return {
    "access-control-allow-origin": origin,
    "access-control-expose-headers": READ,
    vary: "origin",
  };
}

/** Headers of the answer to a browser's question before the request itself. */
export const PREFLIGHT: Headers = {
  allow: METHODS,
  "access-control-allow-methods": METHODS,
  "access-control-allow-headers": SENT,
  "access-control-max-age": "600",
};
