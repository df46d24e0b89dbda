import type { HttpSource } from "@sonde/schemas/manifest";
import { checkPath, hasWholePathHole } from "../check-path.ts";
import { reachesPrivatePath } from "../declared-private-paths.ts";
import { quote } from "../quote.ts";
import { describeNearestRequest, isReadOnlyRequest } from "../read-only-request.ts";
import { type HoleText, renderTemplate } from "../render-template.ts";
import type { SourceRules } from "../source-rules.ts";
import { asParts, pathPattern, queryPattern } from "../template.ts";

export const httpRules: SourceRules<"http"> = {
  title: "Asks a service of the host over its unix socket",
  words: ({ path, query }) => [...asParts(path), ...Object.values(query ?? {})],
  check({ path, socket, holes }, refuse) {
    if (hasWholePathHole(path, holes)) refuse("expected no path-beneath hole");
    checkPath(path, holes, refuse);
    checkPath(socket, holes, refuse);
    if (reachesPrivatePath(socket)) refuse(`expected a socket packs may use, got ${socket}`);
  },
  /** A request is `observe` only when its socket, path and query are in the read-only table. */
  level: (source) => (isReadOnlyRequest(source) ? "observe" : "manage"),
  whyAbove: describeNearestRequest,
  needs: (source) => ({ sockets: `${source.socket} GET ${requestPattern(source)}` }),
  window: ({ maxBytes }) => ({ part: "first", bytes: maxBytes }),
  describe(source, textOf) {
    // Decodes the `<name>` of an unfilled hole, which percent-encoding would hide.
    const target = renderRequestTarget(source, textOf)
      .replaceAll("%3C", "<")
      .replaceAll("%3E", ">");
    return `GET ${quote(target)} over unix:${source.socket}`;
  },
};

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

function requestPattern({ path, query = {}, holes }: HttpSource): string {
  const pairs = Object.entries(query)
    .map(([name, value]) => `${name}=${queryPattern(value, holes)}`)
    .toSorted((a, b) => (a < b ? -1 : 1));
  return [pathPattern(path, holes), pairs.join("&")].filter((part) => part !== "").join("?");
}
