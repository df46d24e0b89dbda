import type { HttpSource } from "@sonde/schemas/manifest";
import { checkPath, hasWholePathHole } from "../check-path.ts";
import { checkWay } from "../check-way.ts";
import { quote } from "../quote.ts";
import { describeNearestRequest, isReadOnlyRequest } from "../read-only-request.ts";
import { type HoleText, renderTemplate } from "../render-template.ts";
import { renderSetting, settingsOf } from "../setting.ts";
import type { SourceRules } from "../source-rules.ts";
import { asParts, holePattern, pathPattern, queryPattern, typedPath } from "../template.ts";

export const httpRules: SourceRules<"http"> = {
  title: "Asks a service over its unix socket, a port of loopback, or TLS",
  words: ({ path, query }) => [...asParts(path), ...Object.values(query ?? {})],
  settings: ({ endpoint }) => settingsOf([endpoint, "endpoint"]),
  check(source, refuse) {
    const { path, holes } = source;
    if (hasWholePathHole(path, holes)) refuse("expected no path-beneath hole");
    checkPath(path, holes, refuse);
    checkWay(source, refuse);
  },
  /** A request is `observe` only when its path and query, and its socket if it has one, are in the read-only tables. */
  level: (source) => (isReadOnlyRequest(source) ? "observe" : "manage"),
  whyAbove: describeNearestRequest,
  // Without TLS a connection stays on the host, so what it needs is one more socket of the host.
  needs(source) {
    const request = `GET ${requestPattern(source)}`;
    if (source.socket !== undefined) return { sockets: `${source.socket} ${request}` };
    const where = renderSetting(source.endpoint, (it) => holePattern(it, source.holes));
    return source.tls === true
      ? { hosts: `${where} TLS ${request}` }
      : { sockets: `${where} ${request}` };
  },
  window: ({ maxBytes }) => ({ part: "first", bytes: maxBytes }),
  describe(source, textOf) {
    // Decodes the `<name>` of an unfilled hole, which percent-encoding would hide.
    const target = renderRequestTarget(source, textOf)
      .replaceAll("%3C", "<")
      .replaceAll("%3E", ">");
    return `GET ${quote(target)} over ${describeWay(source, textOf)}`;
  },
};

/** `unix:/run/docker.sock`, `http://127.0.0.1:8080`, `https://shop.example:443`. */
function describeWay({ socket, endpoint, tls }: HttpSource, textOf: HoleText): string {
  if (socket !== undefined) return `unix:${socket}`;
  return `${tls === true ? "https" : "http"}://${renderSetting(endpoint, textOf)}`;
}

/**
 * Renders path and query of a GET. Hole values are percent-encoded, so that a value never
 * starts another path segment or query parameter.
 */
export function renderRequestTarget(source: HttpSource, textOf: HoleText): string {
  const encoded: HoleText = (hole) => encodeURIComponent(textOf(hole));
  const path = renderTemplate(source.path, encoded);
  const query = Object.entries(source.query ?? {}).map(([name, value]) => {
    const text = typeof value === "string" ? encodeURIComponent(value) : encoded(value.hole);
    return `${name}=${text}`;
  });
  return query.length === 0 ? path : `${path}?${query.join("&")}`;
}

/** Over a port a hole of the path stands with all that it accepts; over a socket as `*`, as grants have it. */
function requestPattern({ socket, path, query = {}, holes }: HttpSource): string {
  const pairs = Object.entries(query)
    .map(([name, value]) => `${name}=${queryPattern(value, holes)}`)
    .toSorted((a, b) => (a < b ? -1 : 1));
  const target = socket === undefined ? typedPath(path, holes) : pathPattern(path, holes);
  return [target, pairs.join("&")].filter((part) => part !== "").join("?");
}
