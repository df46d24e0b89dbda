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
  words: ({ path, query }) => [
    ...asParts(path),
    ...Object.values(query ?? {}).flatMap((value) => (isMoment(value) ? [] : [value])),
  ],
  settings: ({ endpoint, query }) =>
    settingsOf(
      [endpoint, "endpoint"],
      ...Object.values(query ?? {}).flatMap((value): [Minutes, "integer"][] =>
        isMoment(value) && "minutesAgo" in value ? [[value.minutesAgo, "integer"]] : [],
      ),
    ),
  check(source, refuse) {
    const { path, socket, holes } = source;
    if (source.as !== undefined && (source.keep === undefined || socket === undefined)) {
      refuse("expected container-output of a socket, with keep: last");
    }
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
  window: ({ maxBytes, keep }) => ({ part: keep ?? "first", bytes: maxBytes }),
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

type QueryValue = NonNullable<HttpSource["query"]>[string];
type Moment = Exclude<QueryValue, string | { hole: string }>;
type Minutes = Extract<Moment, { minutesAgo: unknown }>["minutesAgo"];

function isMoment(value: QueryValue): value is Moment {
  return typeof value === "object" && !("hole" in value);
}

function describeMoment(moment: Moment, textOf: HoleText): string {
  return "minutesAgo" in moment
    ? `<${renderSetting(moment.minutesAgo, textOf)}-minutes-ago>`
    : `<in-${moment.secondsAhead}-seconds>`;
}

/**
 * Renders path and query of a GET. Hole values are percent-encoded, so that a value never
 * starts another path segment or query parameter.
 *
 * @param now Unix time in seconds, for the times of a query; without it they are described
 */
export function renderRequestTarget(source: HttpSource, textOf: HoleText, now?: number): string {
  const encoded: HoleText = (hole) => encodeURIComponent(textOf(hole));
  const path = renderTemplate(source.path, encoded);
  const query = Object.entries(source.query ?? {}).map(([name, value]) => {
    if (isMoment(value)) return `${name}=${renderMoment(value, textOf, now)}`;
    const text = typeof value === "string" ? encodeURIComponent(value) : encoded(value.hole);
    return `${name}=${text}`;
  });
  return query.length === 0 ? path : `${path}?${query.join("&")}`;
}

/** Over a port a hole of the path stands with all that it accepts; over a socket as `*`, as grants have it. */
function requestPattern({ socket, path, query = {}, holes }: HttpSource): string {
  const pairs = Object.entries(query)
    .map(([name, value]) => `${name}=${valuePattern(value, holes)}`)
    .toSorted((a, b) => (a < b ? -1 : 1));
  const target = socket === undefined ? typedPath(path, holes) : pathPattern(path, holes);
  return [target, pairs.join("&")].filter((part) => part !== "").join("?");
}

function renderMoment(moment: Moment, textOf: HoleText, now: number | undefined): string {
  if (now === undefined) return describeMoment(moment, textOf);
  return "minutesAgo" in moment
    ? String(now - Number(renderSetting(moment.minutesAgo, textOf)) * 60)
    : String(now + moment.secondsAhead);
}

function valuePattern(value: QueryValue, holes: HttpSource["holes"]): string {
  return isMoment(value)
    ? describeMoment(value, (hole) => holePattern(hole, holes))
    : queryPattern(value, holes);
}
