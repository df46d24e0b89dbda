/**
 * Requests that only look, by path, each with the names that its query may have. A hole
 * stands as its type. Every other request is `manage`, because there are services that act
 * on a GET (supervisord's page does).
 *
 * The engine's API (docs.docker.com/reference/api/engine), which podman serves too. Not
 * listed although they are GETs: `attach/ws`, which writes to a container; `archive` and
 * `export`, which hand out files; `top`, which runs `ps` with given arguments; `follow` of
 * `logs`, whose answer has no end.
 */
const ENGINE: ReadonlyMap<string, readonly string[]> = new Map([
  ["/_ping", []],
  ["/version", []],
  ["/info", []],
  ["/system/df", ["type"]],
  ["/containers/json", ["all", "limit", "size", "filters"]],
  ["/containers/<container-name>/json", ["size"]],
  ["/containers/<container-name>/stats", ["stream", "one-shot"]],
  [
    "/containers/<container-name>/logs",
    ["stdout", "stderr", "timestamps", "tail", "since", "until"],
  ],
  ["/events", ["since", "until", "filters"]],
  ["/images/json", ["all", "filters", "digests"]],
  ["/networks", ["filters"]],
  ["/volumes", ["filters"]],
]);

/** The sockets on which a request of the table only looks. */
export const READ_ONLY_REQUESTS: ReadonlyMap<
  string,
  ReadonlyMap<string, readonly string[]>
> = new Map(
  ["/run/docker.sock", "/run/podman/podman.sock"].flatMap((socket) => [
    [socket, ENGINE],
    // `/var/run` is a link to `/run` (hier(7)).
    [`/var${socket}`, ENGINE],
  ]),
);

/**
 * Pages that only look, by path, each with the names that its query may have. Which port serves them
 * is another one on each host, so over a port the path alone decides.
 */
export const READ_ONLY_PAGES: ReadonlyMap<string, readonly string[]> = new Map([
  // What nginx counts (ngx_http_stub_status_module), at the paths that its documentation and others use.
  ["/nginx_status", []],
  ["/stub_status", []],
  ["/basic_status", []],
  ["/<nginx_status|stub_status|basic_status>", []],
  // Whether a service is well, and its numbers, as Kubernetes and Prometheus ask for them.
  ["/healthz", []],
  ["/livez", []],
  ["/readyz", []],
  ["/metrics", []],
]);
