import { ERROR_TABLE, type ErrorCode } from "@sonde/schemas/errors";
import { createCounter, type Family, OTHERS } from "./metrics.ts";

/** The hub has about a hundred routes, each with one method and few statuses. */
const MAX_SERIES = 1_000;

/** Counts requests and refusals. */
export type RequestCounts = {
  /** @param request `route` is the pattern of the route, never the address; null without one */
  count(request: {
    method: string;
    route: string | null;
    status: number;
    refusal: ErrorCode | null;
  }): void;
  read(): Family[];
};

export function createRequestCounts(): RequestCounts {
  const requests = createCounter(
    "sonde_http_requests_total",
    "Requests that were answered, by route and status",
    MAX_SERIES,
  );
  const refused = createCounter(
    "sonde_http_requests_refused_total",
    "Requests that were refused, by the code of the refusal",
    Object.keys(ERROR_TABLE).length,
  );
  return {
    count({ method, route, status, refusal }) {
      // Without a route the method is any word of a stranger.
      const known = route === null ? { method: OTHERS, route: OTHERS } : { method, route };
      requests.add({ ...known, status: String(status) });
      if (refusal !== null) refused.add({ code: refusal });
    },
    read: () => [requests.read(), refused.read()],
  };
}
