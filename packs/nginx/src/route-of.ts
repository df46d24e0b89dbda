const MOST_SEGMENTS = 6;
const MOST_LENGTH = 120;

/** What differs from one request to the next: numbers, UUIDs, digests, tokens, addresses of mail. */
const IDS = [
  /^\d+$/,
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  /^(?=.*\d)[0-9a-f]{7,}$/i,
  /^(?=.*\d)(?=.*[a-z])(?=.*[A-Z])[\w~.-]{8,}$/,
  /^(?=.*\d)(?=.*[A-Za-z])[\w~.-]{20,}$/,
  /^[\w~.-]{33,}$/,
  /@|%40|[=;]/,
];

/**
 * The route of a request: its path without the query, with `:id` in place of what stands for one
 * thing of many. So requests for alike pages are one route, and what looks like a token is not in it.
 *
 * @param target as the request line has it
 */
export function routeOf(target: string): string {
  const path = (target.split(/[?#]/, 1)[0] ?? "").replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, "");
  const [, ...segments] = path.split("/");
  if (!path.startsWith("/")) return "(no path)";
  const shown = segments.slice(0, MOST_SEGMENTS).map(nameOf).join("/");
  const more = segments.length > MOST_SEGMENTS ? "/..." : "";
  return `/${shown}${more}`.slice(0, MOST_LENGTH);
}

/** Keeps a file's ending, so that pictures and pages stay apart. */
function nameOf(segment: string): string {
  const [, stem = segment, ending = ""] = /^(.+?)(\.[a-z]{1,5}\d?)?$/i.exec(segment) ?? [];
  return IDS.some((id) => id.test(stem)) ? `:id${ending}` : segment;
}
