import { param, probe, read, t } from "@sonde/pack-sdk/author";
import * as sources from "./sources.ts";

const PAGES = ["nginx_status", "stub_status", "basic_status"] as const;

export const status = probe({
  description:
    "What nginx counts, from its status page at a port of loopback that the host's administrator named for this pack: open connections, " +
    "accepted and dropped ones, and requests per second.",
  params: t.object({
    endpoint: t.optional(t.string({ maxLength: 60, description: "127.0.0.1:8080 when left out" })),
    page: t.optional(t.enumOf(PAGES, { description: "nginx_status when left out" })),
  }),
  result: t.object({
    activeConnections: t.integer({ description: "waiting ones and this look's included" }),
    reading: t.integer({ description: "requests whose head is being read" }),
    writing: t.integer({ description: "requests being worked on or answered" }),
    waiting: t.integer({ description: "idle connections kept for the next request" }),
    acceptedConnections: t.integer({ description: "since nginx started, like those below" }),
    droppedConnections: t.integer({
      description: "accepted, but not handled: a limit was reached",
    }),
    requests: t.integer(),
    requestsPerSecond: t.number({ description: "between two looks, without these" }),
  }),
  reads: {
    looks: read(sources.counters, {
      with: { endpoint: param("endpoint", "127.0.0.1:8080"), page: param("page", "nginx_status") },
    }),
  },
  run({ reads: { looks } }) {
    const [before, after] = looks.samples.map(({ body }) => parseStatus(body));
    const [first, last] = looks.samples;
    if (before === undefined || after === undefined) throw new Error("expected two looks");
    // The second look is a request of its own.
    const between = after.requests - before.requests - 1;
    const seconds = (last.at - first.at) / 1000;
    const { accepted, handled, ...shown } = after;
    return {
      ...shown,
      acceptedConnections: accepted,
      droppedConnections: accepted - handled,
      requestsPerSecond: seconds > 0 ? Math.round((Math.max(0, between) / seconds) * 10) / 10 : 0,
    };
  },
});

const PAGE = new RegExp(
  [
    String.raw`^Active connections: (\d+)\s+`,
    String.raw`server accepts handled requests[^\n]*\n`,
    String.raw`\s*(\d+) (\d+) (\d+)[^\n]*\n`,
    String.raw`Reading: (\d+) Writing: (\d+) Waiting: (\d+)\s*$`,
  ].join(""),
);

/** @throws Error for anything but a page of ngx_http_stub_status_module */
function parseStatus(body: string) {
  const found = PAGE.exec(body);
  if (found === null) throw new Error("expected the page of stub_status, got something else");
  const [active, accepted, handled, requests, reading, writing, waiting] = found
    .slice(1)
    .map(Number) as [number, number, number, number, number, number, number];
  return { activeConnections: active, accepted, handled, requests, reading, writing, waiting };
}
